import { Buffer } from "node:buffer";
import { mapBounded } from "../core/bounded.ts";
import { CollectionGoneError } from "../core/collection-gone.ts";
import { vectorHash } from "../core/embedding-hash.ts";
import { storedEmbedding } from "../core/embedding-identity.ts";
import type { Logger } from "../core/log.ts";
import type { Vector, VectorStore, WorkspaceIndex } from "../core/ports.ts";
import { metadataOf } from "../core/vector-metadata.ts";
import { BACKED_UP, selectTablePage, type TableRow } from "../db/backup-tables.ts";
import { blobKey } from "../db/blob-garbage.ts";
import type { Database } from "../db/database.ts";
import { selectFile } from "../db/files.ts";
import type { BackupCursor } from "../db/schema.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import type { Counts } from "./archive-format.ts";
import { archiveOf, type Reference } from "./references.ts";

export interface ReadDeps {
  db: Database;
  blobs: R2Bucket;
  vectors: VectorStore;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  log: Logger;
}

/** Backups whose blobs are referred to. */
export type Base = ReadonlySet<string>;

/** A file of the tar within a part, and what it adds to the counts. */
export interface Entry {
  name: string;
  bytes: Uint8Array;
  adds: Partial<Omit<Counts, "rows">> & { rows?: Record<string, number> };
  /** Whose bytes these are. */
  file?: { workspaceId: string; path: string; blob: string };
  /** What it refers to, and a restore puts in its place: blobs and their bytes. */
  stands?: { blobs: number; bytes: number };
}

/** Entries that belong together, and where the next ones begin: null behind the last row. */
export interface Page {
  entries: Entry[];
  next: BackupCursor | null;
}

/** Rows of a page; a row takes 500 bytes or so. */
const ROWS = 500;
/** Bounds of a page of files, which is held in memory with its vectors: as a message of the queue is. */
const FILES = 50;
const FILE_BYTES = 256 * 1024;
/** Objects read side by side: a Worker has six connections. */
const READERS = 5;

export const FIRST_PAGE: BackupCursor = { table: BACKED_UP[0]?.name ?? "", after: null };

/** The page at the cursor. @param number of the page within its part, for the names of its entries. */
export async function readPage(
  deps: ReadDeps,
  cursor: BackupCursor,
  { startedAt, base }: { startedAt: number; base: Base },
  number: number,
): Promise<Page> {
  const at = BACKED_UP.findIndex(({ name }) => name === cursor.table);
  const table = BACKED_UP[at];
  if (table === undefined) throw new Error(`no such table is backed up: ${cursor.table}`);
  const isFiles = table.name === "files";
  const limit = isFiles ? FILES : ROWS;
  const found = await selectTablePage(deps.db, table, { startedAt, after: cursor.after, limit });
  const rows = isFiles ? withinBounds(found) : found;
  const last = rows.at(-1);
  const following = BACKED_UP[at + 1];
  const whole = found.length < limit && rows.length === found.length;
  const next =
    !whole && last !== undefined
      ? { table: table.name, after: table.key.map((column) => last[column] as string | number) }
      : following === undefined
        ? null
        : { table: following.name, after: null };
  if (rows.length === 0) return { entries: [], next };
  const entries = isFiles
    ? await fileEntries(deps, rows, base, number)
    : [lines(`d1/${table.name}/${number}.jsonl`, rows, { rows: { [table.name]: rows.length } })];
  return { entries, next };
}

/** The first of the rows, of one workspace, that are held in memory together: one at least. */
function withinBounds(rows: TableRow[]): TableRow[] {
  let bytes = 0;
  const end = rows.findIndex((row, i) => {
    bytes += Number(row["size"]);
    return i > 0 && (bytes > FILE_BYTES || row["workspace_id"] !== rows[0]?.["workspace_id"]);
  });
  return end < 0 ? rows : rows.slice(0, end);
}

/** Vectors and blobs first: where the rows are read, what they need has been. */
async function fileEntries(deps: ReadDeps, rows: TableRow[], base: Base, number: number): Promise<Entry[]> {
  const workspaceId = String(rows[0]?.["workspace_id"]);
  const read = await mapBounded(rows, READERS, (row) => readFile(deps, workspaceId, row, base));
  const files = read.filter((one) => one !== null);
  const vectors = await vectorLines(
    deps,
    workspaceId,
    files.filter(({ row }) => row["status"] === "indexed").map(({ row }) => String(row["path"])),
  );
  const blobs = files.flatMap(({ row, content }): Entry[] => {
    if (!(content instanceof Uint8Array)) return [];
    const blob = String(row["blob"]);
    const adds = { blobs: 1, blobBytes: content.length };
    const file = { workspaceId, path: String(row["path"]), blob };
    return [{ name: `blobs/${workspaceId}/${blob}`, bytes: content, adds, file }];
  });
  const references = files.flatMap(({ content }) =>
    content === null || content instanceof Uint8Array ? [] : [content],
  );
  return [
    ...(vectors.length > 0
      ? [lines(`vectors/${workspaceId}/${number}.jsonl`, vectors, { vectors: vectors.length })]
      : []),
    ...blobs,
    ...referenceEntries(workspaceId, references, number),
    lines(
      `d1/files/${number}.jsonl`,
      // Where this deployment's archives are is nothing to another.
      files.map(({ row: { archived_in: _, ...row } }) => row),
      { rows: { files: files.length } },
    ),
  ];
}

function referenceEntries(workspaceId: string, references: Reference[], number: number): Entry[] {
  if (references.length === 0) return [];
  const referred: Record<string, number> = {};
  for (const { backup } of references) referred[backup] = (referred[backup] ?? 0) + 1;
  const bytes = references.reduce((sum, { size }) => sum + size, 0);
  const entry = lines(`references/${workspaceId}/${number}.jsonl`, references, { referred });
  return [{ ...entry, stands: { blobs: references.length, bytes } }];
}

/**
 * The row with its bytes, or with where an earlier backup has them. A file that was replaced since its row was read is
 * read as it stands now; null where it was deleted. A row whose object is gone for good is kept without one, as the
 * deployment has it.
 */
async function readFile(
  { db, blobs, log }: ReadDeps,
  workspaceId: string,
  row: TableRow,
  base: Base,
): Promise<{ row: TableRow; content: Uint8Array | Reference | null } | null> {
  if (row["blob"] === null) return { row, content: null };
  const blob = String(row["blob"]);
  const earlier = archiveOf(row["archived_in"] as string | null, blob);
  if (earlier !== null && base.has(earlier.backup)) {
    return { row, content: { blob, sha256: String(row["sha256"]), size: Number(row["size"]), ...earlier } };
  }
  const object = await blobs.get(blobKey(workspaceId, blob));
  if (object !== null) return { row, content: new Uint8Array(await object.arrayBuffer()) };
  const [current] = await selectFile(db, workspaceId, String(row["path"]));
  if (current === undefined) return null;
  if (current.blob === blob) {
    log.warning("a backup found no object for a file", { workspace_id: workspaceId });
    return { row, content: null };
  }
  const replaced = current.blob === null ? null : await blobs.get(blobKey(workspaceId, current.blob));
  if (replaced === null) throw new Error("a file changes faster than it can be read");
  const values = {
    ...row,
    generation: current.generation,
    size: current.size,
    sha256: current.sha256,
    blob: current.blob,
    status: "pending",
    language: current.language,
    secret_scan: current.secretScan,
    skip_reason: null,
    error: null,
    updated_at: current.updatedAt,
  };
  return { row: values, content: new Uint8Array(await replaced.arrayBuffer()) };
}

async function vectorLines(deps: ReadDeps, workspaceId: string, paths: string[]): Promise<object[]> {
  if (paths.length === 0) return [];
  const [[workspace], chunks] = await Promise.all([
    selectWorkspace(deps.db, workspaceId),
    deps.workspaceIndex(workspaceId).fileVectors(paths),
  ]);
  const collectionId = workspace?.collectionId ?? null;
  const model = workspace === undefined ? null : storedEmbedding(workspace);
  if (collectionId === null || model === null || chunks.length === 0) return [];
  const vectors = await stored(
    deps,
    collectionId,
    chunks.map(({ id }) => id),
  );
  return chunks.flatMap(({ path, id, embedHash, language, kind }) => {
    const vector = vectors.get(id);
    if (vector === undefined) return [];
    const metadata = metadataOf(path, language, kind);
    return [
      {
        path,
        id,
        embed_hash: vectorHash(model.model, model.dimensions, embedHash),
        metadata,
        vector: float32(vector),
      },
    ];
  });
}

/** None where the collection is lost: vectors are then made again, by the restored deployment too. */
async function stored(deps: ReadDeps, collectionId: string, ids: string[]): Promise<Map<string, Vector>> {
  try {
    return await deps.vectors.get(collectionId, ids);
  } catch (error) {
    if (!(error instanceof CollectionGoneError)) throw error;
    deps.log.warning("a backup found no collection", { collection_id: collectionId });
    return new Map();
  }
}

/** Little-endian, base64. */
function float32(vector: Vector): string {
  const floats = Float32Array.from(vector);
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString("base64");
}

export function lines(name: string, rows: readonly object[], adds: Entry["adds"]): Entry {
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  return { name, bytes: new TextEncoder().encode(text), adds };
}
