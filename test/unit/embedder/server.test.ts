import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MODEL_NAME } from "../../../scripts/embedder/model.ts";
import { provideModel, TOKENIZER_PATH } from "../../../scripts/embedder/model-file.ts";
import { MAX_INPUTS } from "../../../scripts/embedder/openai-wire.ts";
import { EmbeddingPool } from "../../../scripts/embedder/pool.ts";
import { createEmbeddingServer, MAX_BODY_BYTES } from "../../../scripts/embedder/server.ts";

let folder: string;
let pool: EmbeddingPool;
let server: Server;
let origin: string;
let openai: OpenAI;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "devflow-embedder-"));
  const settings = { modelPath: await provideModel(folder), tokenizerPath: TOKENIZER_PATH };
  pool = await EmbeddingPool.open(settings, 2, (failure) => expect.fail(String(failure)));
  server = createEmbeddingServer(pool).listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  openai = new OpenAI({ baseURL: `${origin}/v1`, apiKey: "local", maxRetries: 0 });
}, 120_000);

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await pool.close();
  await rm(folder, { recursive: true, force: true });
});

async function post(body: string | object): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${origin}/v1/embeddings`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("POST /v1/embeddings", () => {
  it("serves OpenAI's own client, for one text and for several", async () => {
    const one = await openai.embeddings.create({ model: MODEL_NAME, input: "rate limit" });
    expect(one.data[0]?.embedding).toHaveLength(384);
    expect(one.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
    const several = await openai.embeddings.create({ model: MODEL_NAME, input: ["other", "rate limit"] });
    expect(several.data.map(({ index }) => index)).toEqual([0, 1]);
    expect(several.data[1]?.embedding).toEqual(one.data[0]?.embedding);
    expect(several.model).toBe(MODEL_NAME);
  });

  it("gives the same numbers as floats and as base64", async () => {
    const [floats, base64] = await Promise.all(
      ["float", "base64"].map(async (encoding_format) => {
        const { body } = await post({ model: MODEL_NAME, input: "rate limit", encoding_format });
        return (body["data"] as { embedding: unknown }[])[0]?.embedding;
      }),
    );
    const bytes = Buffer.from(base64 as string, "base64");
    const decoded = Array.from({ length: 384 }, (_, index) => bytes.readFloatLE(index * 4));
    expect(decoded).toEqual(floats);
  });

  it("takes as many texts as OpenAI does", async () => {
    const input = Array.from({ length: MAX_INPUTS }, (_, index) => `text ${index}`);
    const { data } = await openai.embeddings.create({ model: MODEL_NAME, input });
    expect(data).toHaveLength(MAX_INPUTS);
  }, 120_000);

  it("answers a query and /health while a large request is under way", async () => {
    const input = Array.from(
      { length: 400 },
      (_, index) => `${"const value = compute(other); ".repeat(10)}${index}`,
    );
    let done = false;
    const large = openai.embeddings.create({ model: MODEL_NAME, input }).then(() => {
      done = true;
    });
    await new Promise((next) => setTimeout(next, 100));
    await openai.embeddings.create({ model: MODEL_NAME, input: "where are limits checked?" });
    expect((await fetch(`${origin}/health`)).status).toBe(200);
    expect(done).toBe(false);
    await large;
  }, 120_000);

  it("drops the work of a client that has gone", async () => {
    const input = Array.from(
      { length: 2_000 },
      (_, index) => `${"const value = compute(other); ".repeat(10)}${index}`,
    );
    const gone = new AbortController();
    const large = openai.embeddings.create({ model: MODEL_NAME, input }, { signal: gone.signal });
    setTimeout(() => gone.abort(), 200);
    await expect(large).rejects.toThrow();
    const began = performance.now();
    await openai.embeddings.create({
      model: MODEL_NAME,
      input: Array.from({ length: 9 }, () => "next in line"),
    });
    expect(performance.now() - began).toBeLessThan(5_000);
  }, 60_000);

  it.each([
    ["no JSON", "{", 400, null, null],
    ["no object", "[]", 400, null, null],
    ["no model", { input: "a" }, 400, "model", "missing_required_parameter"],
    ["another model", { model: "text-embedding-3-small", input: "a" }, 404, "model", "model_not_found"],
    ["no input", { model: MODEL_NAME }, 400, "input", "missing_required_parameter"],
    ["an empty text", { model: MODEL_NAME, input: "" }, 400, "input", "invalid_value"],
    ["an empty text among others", { model: MODEL_NAME, input: ["a", ""] }, 400, "input[1]", "invalid_value"],
    ["an empty array", { model: MODEL_NAME, input: [] }, 400, "input", "empty_array"],
    ["token ids", { model: MODEL_NAME, input: [7592, 2088] }, 400, "input[0]", "invalid_type"],
    ["arrays of token ids", { model: MODEL_NAME, input: [[7592]] }, 400, "input[0]", "invalid_type"],
    ["a number", { model: MODEL_NAME, input: 1 }, 400, "input", "invalid_type"],
    [
      "too many texts",
      { model: MODEL_NAME, input: Array.from({ length: MAX_INPUTS + 1 }, () => "a") },
      400,
      "input",
      "array_above_max_length",
    ],
    [
      "dimensions",
      { model: MODEL_NAME, input: "a", dimensions: 256 },
      400,
      "dimensions",
      "unsupported_parameter",
    ],
    [
      "another encoding",
      { model: MODEL_NAME, input: "a", encoding_format: "hex" },
      400,
      "encoding_format",
      "invalid_value",
    ],
    [
      "an unknown parameter",
      { model: MODEL_NAME, input: "a", pooling: "max" },
      400,
      "pooling",
      "unknown_parameter",
    ],
  ])("refuses %s", async (_what, request, status, param, code) => {
    const answer = await post(request);
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({
      error: { message: expect.stringMatching(/./), type: "invalid_request_error", param, code },
    });
  });

  it("refuses a body over its limit, announced or not", async () => {
    const size = MAX_BODY_BYTES + 1;
    expect((await post("x".repeat(size))).status).toBe(413);
    const stream = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < size; sent += 1 << 20)
          controller.enqueue(new Uint8Array(1 << 20).fill(120));
        controller.close();
      },
    });
    const response = await fetch(`${origin}/v1/embeddings`, {
      method: "POST",
      body: stream,
      duplex: "half",
    } as RequestInit);
    expect(response.status).toBe(413);
  });
});

describe("the other addresses", () => {
  it("lists the model", async () => {
    const models = await openai.models.list();
    expect(models.data.map(({ id }) => id)).toEqual([MODEL_NAME]);
  });

  it("answers an unknown address 404 and an unknown method 405, in OpenAI's form", async () => {
    const unknown = await fetch(`${origin}/v1/chat/completions`, { method: "POST", body: "{}" });
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: "unknown_url" } }]);
    const method = await fetch(`${origin}/v1/models`, { method: "DELETE" });
    expect([method.status, await method.json()]).toMatchObject([
      405,
      { error: { code: "method_not_supported" } },
    ]);
  });
});
