import { parentPort, workerData } from "node:worker_threads";
import { type Embedded, EmbeddingSession } from "./session.ts";
import { loadTokenizer } from "./tokenizer.ts";

/**
 * A thread that embeds one slice of texts after another. Says "ready" once the model is loaded; an error ends
 * the thread.
 */
export interface WorkerSettings {
  modelPath: string;
  tokenizerPath: string;
}

export type WorkerAnswer = "ready" | Embedded;

if (parentPort === null) throw new Error("worker.ts runs as a worker thread");
const port = parentPort;
const { modelPath, tokenizerPath } = workerData as WorkerSettings;
const session = await EmbeddingSession.open(modelPath, await loadTokenizer(tokenizerPath));

port.on("message", async (texts: readonly string[]) => {
  const embedded = await session.embed(texts);
  port.postMessage(embedded, [embedded.vectors.buffer as ArrayBuffer]);
});
port.postMessage("ready" satisfies WorkerAnswer);
