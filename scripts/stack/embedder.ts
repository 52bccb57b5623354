import { resolve } from "node:path";
import { DIMENSIONS, MAX_TOKENS, MODEL_NAME } from "../embedder/model.ts";
import { type Launch, type Server, startChild, untilReady } from "./child.ts";
import { freePort } from "./ports.ts";

const READY_MS = 120_000;

/** The local OpenAI-compatible embedding server; the first start builds its model file (a few seconds). */
export async function startEmbedder(launch: Launch): Promise<Server> {
  const port = await freePort("127.0.0.1", 0);
  const main = resolve(import.meta.dirname, "../embedder/main.ts");
  const child = startChild({
    name: "embedder",
    command: process.execPath,
    args: [main, "--port", String(port), "--cache", launch.state.path("models")],
    launch,
  });
  const ready = untilReady(child, {
    url: `http://127.0.0.1:${port}/health`,
    timeoutMs: READY_MS,
    advice: "To embed with OpenAI instead, set OPENAI_API_KEY.",
  });
  return { url: `http://127.0.0.1:${port}/v1`, child, ready };
}

/** The local model; `src/config.ts` says what each setting means. */
export const LOCAL_EMBEDDING_SETTINGS = {
  OPENAI_API_KEY: "local",
  EMBEDDING_MODEL: MODEL_NAME,
  EMBEDDING_DIMENSIONS: String(DIMENSIONS),
  EMBEDDING_MAX_TOKENS: String(MAX_TOKENS),
  // It costs nothing, and is not to be shown as if it did.
  EMBEDDING_PRICE_MICROUSD: "0",
  // A busy laptop embeds slowly, and asking again makes it slower.
  UPSTREAM_TIMEOUT_MS: "300000",
} as const;
