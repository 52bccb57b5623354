import { join, resolve } from "node:path";
import { answers, type Launch, startChild } from "./child.ts";
import { freePort } from "./ports.ts";

const READY_MS = 60_000;

/** The local OpenAI-compatible embedding server; the first start builds its model file (a few seconds). */
export async function startEmbedder(launch: Launch): Promise<{ url: string }> {
  const port = await freePort("127.0.0.1", 0);
  const child = startChild({
    name: "embedder",
    command: process.execPath,
    args: [
      join(resolve(import.meta.dirname, "../embedder"), "main.ts"),
      ...["--port", String(port), "--cache", launch.state.path("models")],
    ],
    launch,
  });
  await answers(child, `http://127.0.0.1:${port}/health`, READY_MS);
  return { url: `http://127.0.0.1:${port}/v1` };
}

/** The local model; `src/config.ts` says what each setting means. */
export const LOCAL_EMBEDDING_SETTINGS = {
  OPENAI_API_KEY: "local",
  EMBEDDING_MODEL: "all-MiniLM-L6-v2",
  EMBEDDING_DIMENSIONS: "384",
  EMBEDDING_MAX_TOKENS: "256",
} as const;
