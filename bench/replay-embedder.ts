import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const DIMENSIONS = 384;

/** Settings of a stack that embeds by it. @param dimensions those that it was started with. */
export function replaySettings(url: string, dimensions = DIMENSIONS): Record<string, string> {
  return {
    OPENAI_BASE_URL: url,
    OPENAI_API_KEY: "replay",
    EMBEDDING_MODEL: "replay",
    EMBEDDING_DIMENSIONS: String(dimensions),
    EMBEDDING_MAX_TOKENS: "256",
  };
}

/**
 * Answers `/v1/embeddings` at once with vectors derived from the text's hash, so that a measurement of
 * indexing leaves the model's time out. The vectors mean nothing; they are as large as real ones.
 * @param options `queriesTo`: a real embedding server, which then answers requests of one text: those of searches;
 * `dimensions`: numbers of a vector.
 */
export async function startReplayEmbedder({
  queriesTo,
  dimensions = DIMENSIONS,
}: {
  queriesTo?: string;
  dimensions?: number;
} = {}): Promise<{ url: string; stop(): void }> {
  const server: Server = createServer((request, response) => {
    // A caller that is gone waits for no answer.
    answer(request, response).catch(() => response.destroy());
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (request.method !== "POST") {
      response.end(JSON.stringify({ object: "list", data: [] }));
      return;
    }
    const body = Buffer.concat(parts).toString();
    const { input, model } = JSON.parse(body) as { input: string | string[]; model: string };
    const texts = Array.isArray(input) ? input : [input];
    if (queriesTo !== undefined && texts.length === 1) {
      const headers = { "content-type": "application/json" };
      const real = await fetch(`${queriesTo}/embeddings`, { method: "POST", headers, body });
      response.statusCode = real.status;
      response.setHeader("content-type", "application/json");
      response.end(await real.text());
      return;
    }
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        object: "list",
        model,
        data: texts.map((text, index) => ({
          object: "embedding",
          index,
          embedding: vectorOf(text, dimensions),
        })),
        usage: { prompt_tokens: texts.length, total_tokens: texts.length },
      }),
    );
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Little-endian floats in base64, of length 1. */
function vectorOf(text: string, dimensions: number): string {
  const floats = new Float32Array(dimensions);
  let seed = createHash("sha256").update(text).digest().readUInt32LE(0) || 1;
  let squares = 0;
  for (let i = 0; i < dimensions; i++) {
    // xorshift32 (Marsaglia, 2003)
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    const value = (seed >>> 0) / 0xffffffff - 0.5;
    floats[i] = value;
    squares += value * value;
  }
  const norm = Math.sqrt(squares);
  for (let i = 0; i < dimensions; i++) floats[i] = (floats[i] ?? 0) / norm;
  return Buffer.from(floats.buffer).toString("base64");
}
