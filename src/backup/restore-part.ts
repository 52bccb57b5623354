import { Buffer } from "node:buffer";
import { createTarDecoder } from "modern-tar";
import { embedHash, vectorHash } from "../core/embedding-hash.ts";
import { DevFlowError } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { isId, newTimeId } from "../core/ids.ts";
import type { Embedder, Vector } from "../core/ports.ts";
import { BACKED_UP, type TableRow } from "../db/backup-tables.ts";
import { blobKey } from "../db/blob-garbage.ts";
import type { Database } from "../db/database.ts";
import { insertJobFiles } from "../db/job-files.ts";
import { COLUMNS, disabledDigest, insertIndexJob, insertRows } from "../db/restores.ts";
import { addCounts, type Counts, emptyCounts } from "./archive-format.ts";

export interface RestorePartDeps {
  db: Database;
  blobs: R2Bucket;
  /** Indexes stored files of a workspace; vectors that are known, by their hash, are not paid for again. */
  indexFiles(
    workspaceId: string,
    jobId: string,
    files: { path: string; generation: number }[],
    known: ReadonlyMap<string, Vector>,
  ): Promise<void>;
  now(): number;
}

const TABLES: ReadonlySet<string> = new Set(BACKED_UP.map(({ name }) => name));

/**
 * Restores one part, entry by entry; restored again, it changes nothing.
 * @returns what was read. Errors: `invalid_request` for what no backup of this format holds.
 */
export async function restorePart(
  deps: RestorePartDeps,
  restoreId: string,
  tar: ReadableStream,
): Promise<Counts> {
  let counts = emptyCounts();
  let known = new Map<string, Vector>();
  for await (const { name, bytes } of entriesOf(tar)) {
    const [folder = "", place = "", leaf = ""] = name.split("/");
    if (name === "settings.json") continue;
    if (folder === "blobs" && isId("ws", place) && /^[\w-]{1,100}$/.test(leaf)) {
      await deps.blobs.put(blobKey(place, leaf), bytes);
      counts = addCounts(counts, { ...emptyCounts(), blobs: 1, blobBytes: bytes.length });
    } else if (folder === "vectors" && isId("ws", place)) {
      const rows = linesOf<{ embed_hash: string; vector: string }>(bytes);
      known = new Map(rows.map(({ embed_hash, vector }) => [embed_hash, float32(vector)]));
      counts = addCounts(counts, { ...emptyCounts(), vectors: rows.length });
    } else if (folder === "d1" && TABLES.has(place)) {
      const rows = linesOf<TableRow>(bytes);
      await restoreRows(deps, restoreId, place, rows, known);
      if (place === "files") known = new Map();
      counts = addCounts(counts, { ...emptyCounts(), rows: { [place]: rows.length } });
    } else throw foreign(`an entry ${JSON.stringify(name.slice(0, 100))}`);
  }
  return counts;
}

async function restoreRows(
  deps: RestorePartDeps,
  restoreId: string,
  table: string,
  rows: TableRow[],
  known: ReadonlyMap<string, Vector>,
): Promise<void> {
  if (rows.length === 0) return;
  for (const column of Object.keys(rows[0] ?? {})) {
    if (!COLUMNS.get(table)?.has(column)) throw foreign(`a column ${table}.${column.slice(0, 50)}`);
  }
  const changed = rows.map((row) => ({ ...row, ...differences(table, row) }));
  await insertRows(deps.db, table, changed);
  if (table !== "files") return;
  const workspaceId = String(rows[0]?.["workspace_id"]);
  const jobId = await indexJobOf(restoreId, workspaceId);
  const pending = changed
    .filter((row) => row["status"] === "pending")
    .map((row) => ({ path: String(row["path"]), generation: Number(row["generation"]) }));
  await deps.db.batch([
    insertIndexJob(deps.db, jobId, workspaceId, deps.now()),
    insertJobFiles(
      deps.db,
      jobId,
      pending.map((one) => ({ ...one, status: "pending", reason: null, message: null })),
    ),
  ]);
  if (pending.length > 0) await deps.indexFiles(workspaceId, jobId, pending, known);
}

/** What is not taken over as it stood: keys open nothing yet, collections are made anew, files are indexed anew. */
function differences(table: string, row: TableRow): TableRow {
  if (table === "api_keys") return { digest: disabledDigest(String(row["digest"])) };
  if (table === "workspaces")
    return { collection_id: null, embedding_model: null, embedding_dimensions: null, next_collection: null };
  if (table === "files" && row["status"] === "indexed") return { status: "pending", indexed_at: null };
  return {};
}

/** The same for the same restore and workspace, however often a part is restored. */
export async function indexJobOf(restoreId: string, workspaceId: string): Promise<string> {
  const digest = await sha256(`${restoreId} ${workspaceId}`);
  return newTimeId("job", 0, (length) => digest.slice(0, length));
}

/** An embedder that knows some vectors already, by hash of model and text. */
export function withKnownVectors(embedder: Embedder, known: ReadonlyMap<string, Vector>): Embedder {
  const { model, dimensions } = embedder;
  return {
    model,
    dimensions,
    async embed(texts, signal) {
      const found = texts.map((text) => known.get(vectorHash(model, dimensions, embedHash(text))));
      const missing = texts.filter((_, i) => found[i] === undefined);
      const made = missing.length === 0 ? { vectors: [], tokens: 0 } : await embedder.embed(missing, signal);
      let next = 0;
      const vectors = found.map((vector) => {
        const one = vector ?? made.vectors[next++];
        if (one === undefined) throw new Error("the embedder gave fewer vectors than texts");
        return one;
      });
      return { vectors, tokens: made.tokens };
    },
  };
}

async function* entriesOf(tar: ReadableStream): AsyncGenerator<{ name: string; bytes: Uint8Array }> {
  const decoder = createTarDecoder({ strict: true });
  // A failure comes through the entries, too; here it would be an unhandled one.
  tar.pipeTo(decoder.writable).catch(() => {});
  const entries = decoder.readable.getReader();
  for (;;) {
    const { done, value } = await entries.read();
    if (done) return;
    yield { name: value.header.name, bytes: new Uint8Array(await new Response(value.body).arrayBuffer()) };
  }
}

function linesOf<T>(bytes: Uint8Array): T[] {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    .decode(bytes)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

function float32(base64: string): Float32Array {
  const bytes = Buffer.from(base64, "base64");
  return new Float32Array(new Uint8Array(bytes).buffer);
}

function foreign(what: string): DevFlowError {
  return new DevFlowError("invalid_request", `The backup holds ${what}, which this version does not know.`);
}
