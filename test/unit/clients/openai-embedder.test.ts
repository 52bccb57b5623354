import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { OpenAiEmbedder } from "../../../src/clients/openai-embedder.ts";
import { upstreamFetch } from "../../../src/clients/upstream-fetch.ts";
import { PaidCallError } from "../../../src/core/budget.ts";
import { DevFlowError } from "../../../src/core/errors.ts";
import { describe as describeError } from "../../../src/core/log.ts";
import { Secret } from "../../../src/core/secret.ts";
import { utf8Length } from "../../../src/core/tokens.ts";

interface Asked {
  model: string;
  input: string[];
  dimensions?: number;
  encoding_format?: string;
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const base64 = (vector: number[]) => Buffer.from(new Float32Array(vector).buffer).toString("base64");
const good = ({ input }: Asked) => ({
  data: input.map((text, index) => ({ index, embedding: base64([text.length, 1, 0]) })).reverse(),
  usage: { prompt_tokens: input.length, total_tokens: input.length },
});

/** A real server that speaks the API; `answer` gives the body, or a status and a body. */
async function embedder(
  answer: (asked: Asked) => object | [number, object] = good,
  options: { model?: string; maxTokens?: number } = {},
) {
  const asked: Asked[] = [];
  let running = 0;
  let atOnce = 0;
  const server = createServer(async (request, response) => {
    atOnce = Math.max(atOnce, ++running);
    let body = "";
    for await (const part of request) body += part;
    const question = JSON.parse(body) as Asked;
    asked.push(question);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
    const given = answer(question);
    const [status, json] = Array.isArray(given) ? given : [200, given];
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const client = new OpenAiEmbedder({
    apiKey: new Secret("sk-canary"),
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    model: options.model ?? "all-MiniLM-L6-v2",
    dimensions: 3,
    maxTokens: options.maxTokens ?? 256,
    fetch: upstreamFetch({
      timeoutMs: 5_000,
      retry: { retries: 1, baseDelayMs: 1, maxDelayMs: 1, maxRetryAfterMs: 0 },
    }),
  });
  return { client, asked, atOnce: () => atOnce };
}

describe("OpenAiEmbedder", () => {
  it("gives unit vectors in the order of the texts, and the tokens that were counted", async () => {
    const { client, asked } = await embedder();
    const { vectors, tokens } = await client.embed(["a", "abc"]);
    expect(tokens).toBe(2);
    expect(vectors[0]?.[0]).toBeCloseTo(Math.SQRT1_2, 6);
    expect(vectors[1]?.[0]).toBeCloseTo(3 / Math.sqrt(10), 6);
    for (const vector of vectors) expect(Math.hypot(...Array.from(vector))).toBeCloseTo(1, 6);
    expect(asked[0]).toMatchObject({ encoding_format: "base64" });
    expect(asked[0]).not.toHaveProperty("dimensions");
    expect(await client.embed([])).toEqual({ vectors: [], tokens: 0 });
    expect(asked).toHaveLength(1);
  });

  it("names the dimensions to the models that can shorten their vectors only", async () => {
    const { client, asked } = await embedder(good, { model: "text-embedding-3-small" });
    await client.embed(["a"]);
    expect(asked[0]?.dimensions).toBe(3);
  });

  it("splits by inputs and by tokens, and keeps requests side by side within bounds", async () => {
    const { client, asked, atOnce } = await embedder(good, { maxTokens: 8192 });
    const { vectors } = await client.embed(Array.from({ length: 10_000 }, (_, i) => `${i}`));
    expect(vectors).toHaveLength(10_000);
    expect(asked.every(({ input }) => input.length <= 2048)).toBe(true);
    expect(atOnce()).toBeLessThanOrEqual(3);
    asked.length = 0;
    await client.embed(Array.from({ length: 100 }, () => "é".repeat(4_000)));
    for (const { input } of asked) {
      expect(input.reduce((sum, text) => sum + utf8Length(text), 0)).toBeLessThanOrEqual(300_000);
    }
    expect(asked.flatMap(({ input }) => input)).toHaveLength(100);
  });

  it("sends no empty input and no broken Unicode", async () => {
    const { client, asked } = await embedder();
    await client.embed(["", "  \n", "\ud800x", "😀".repeat(3_000)]);
    for (const text of asked[0]?.input ?? []) {
      expect(text.trim()).not.toBe("");
      expect(text.isWellFormed()).toBe(true);
      expect(utf8Length(text)).toBeLessThanOrEqual(256 * 8);
    }
  });

  it("shortens inputs that the server finds too long, to what no vocabulary finds too long", async () => {
    const { client, asked } = await embedder((question) =>
      question.input.some((text) => utf8Length(text) > 256)
        ? [400, { error: { message: "too long" } }]
        : good(question),
    );
    const { vectors } = await client.embed(["x".repeat(2_000), "short"]);
    expect(vectors).toHaveLength(2);
    expect(asked.map(({ input }) => input.map(utf8Length))).toEqual([
      [2000, 5],
      [256, 5],
    ]);
  });

  it("says what was charged until a request was refused, and nothing where one was not answered", async () => {
    const texts = Array.from({ length: 5_000 }, (_, i) => (i === 4_000 ? "bad" : `${i}`));
    const spentOn = async (answer: (asked: Asked) => object | [number, object]) => {
      const { client } = await embedder(answer);
      const error = await client.embed(texts).catch((thrown: unknown) => thrown);
      if (!(error instanceof PaidCallError)) throw new Error("another error");
      return error.spentTokens;
    };
    const refusing = (asked: Asked) => (asked.input.includes("bad") ? [400, {}] : good(asked));
    expect(await spentOn(refusing as never)).toBe(2048 + 5_000 - 2 * 2048);
    expect(await spentOn(() => [503, {}])).toBe(0);
    expect(await spentOn(() => ({}))).toBeNull();
  });

  it.each<[string, (asked: Asked) => object | [number, object]]>([
    ["too few vectors", ({ input }) => ({ data: good({ model: "", input }).data.slice(1) })],
    ["vectors of another length", () => ({ data: [{ index: 0, embedding: base64([1, 2]) }] })],
    ["a vector without direction", () => ({ data: [{ index: 0, embedding: base64([0, 0, 0]) }] })],
    ["what is not a number", () => ({ data: [{ index: 0, embedding: base64([Number.NaN, 1, 1]) }] })],
    ["nothing", () => ({})],
    ["a refused key", () => [401, { error: { message: "Incorrect API key sk-canary" } }]],
    ["a redirect", () => [302, {}]],
    ["a failure", () => [500, { error: { message: "internal sk-canary" } }]],
  ])("answers upstream_unavailable for %s, without the upstream's words", async (_name, answer) => {
    const { client } = await embedder(answer);
    const error = await client.embed(["a"]).catch((thrown: unknown) => thrown);
    if (!(error instanceof DevFlowError)) throw new Error("another error");
    expect(error.code).toBe("upstream_unavailable");
    expect(error.message).toBe("The embedding service is not available right now.");
    expect(error.cause).toBeDefined();
    expect(describeError(error)).not.toContain("sk-canary");
  });
});
