import { ChromaClient } from "chromadb";
import { Client } from "./client.ts";
import type { Row } from "./figures.ts";
import type { SourceFile } from "./sources.ts";

const UPSERT_BATCH = 300;

export interface IndexTarget {
  url: string;
  apiKey: string;
  chromaUrl: string;
}

/**
 * Chunks a second from the upload to the job's end, against a plain `chromadb` upsert of the very same
 * vectors, ids and metadata into a second collection of the same server. The embedding server replays, so the
 * model's time is in neither.
 */
export async function measureIndexing(target: IndexTarget, files: readonly SourceFile[]): Promise<Row> {
  const client = new Client(target.url, target.apiKey);
  const started = performance.now();
  const job = await client.upload(files);
  if (job === null) throw new Error("nothing was left to index: use an empty workspace");
  const ended = await client.finished(job.id);
  const oursMs = performance.now() - started;
  if (ended.status !== "succeeded") throw new Error(`the job ended as ${ended.status}`);

  const records = await readCollection(target.chromaUrl);
  const directMs = await upsertDirectly(target.chromaUrl, records);
  const chunks = records.ids.length;
  const perSecond = (ms: number) => `${Math.round((chunks / ms) * 1000)} chunks/s`;
  return {
    what: `index ${files.length} files, ${chunks} chunks`,
    ours: perSecond(oursMs),
    reference: `${perSecond(directMs)} (direct upsert)`,
    ratio: directMs / oursMs,
    goal: { atLeast: 0.8 },
  };
}

interface Records {
  ids: string[];
  embeddings: number[][];
  metadatas: Record<string, string | number | boolean>[];
}

function connect(url: string): ChromaClient {
  const { hostname, port } = new URL(url);
  return new ChromaClient({ host: hostname, port: Number(port), ssl: false });
}

async function readCollection(url: string): Promise<Records> {
  const [collection] = await connect(url).listCollections();
  if (collection === undefined) throw new Error("no collection was made");
  const { ids, embeddings, metadatas } = await collection.get({
    include: ["embeddings", "metadatas"],
    limit: 100_000,
  });
  return { ids, embeddings: embeddings as number[][], metadatas: metadatas as Records["metadatas"] };
}

async function upsertDirectly(url: string, records: Records): Promise<number> {
  const client = connect(url);
  const collection = await client.createCollection({
    name: "direct",
    embeddingFunction: null,
    configuration: { hnsw: { space: "cosine" } },
  });
  const started = performance.now();
  for (let start = 0; start < records.ids.length; start += UPSERT_BATCH) {
    const slice = <T>(list: T[]) => list.slice(start, start + UPSERT_BATCH);
    await collection.upsert({
      ids: slice(records.ids),
      embeddings: slice(records.embeddings),
      metadatas: slice(records.metadatas),
    });
  }
  const elapsed = performance.now() - started;
  await client.deleteCollection({ name: "direct" });
  return elapsed;
}
