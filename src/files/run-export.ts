import { packTar, type TarEntry } from "modern-tar";
import { mapBounded } from "../core/bounded.ts";
import { base32, randomBytes } from "../core/ids.ts";
import type { IndexingMessage } from "../core/ports.ts";
import { selectKeys } from "../db/api-keys.ts";
import { blobKey, insertGarbage } from "../db/blob-garbage.ts";
import { advanceExport } from "../db/exports.ts";
import { type FileRow, listFiles } from "../db/files.ts";
import { finishJob, type JobRow, markExpanded, selectJob, touchJob } from "../db/jobs.ts";
import type { ExportProgress } from "../db/schema.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import { EXPORT_KEPT_MS, type ExportDeps } from "./export.ts";
import { GARBAGE_AFTER_MS } from "./finish-deletions.ts";

/** Of one part: its files are held in memory at once, beside the archive that is made of them. */
const PART_FILES = 500;
const PART_BYTES = 8 * 1024 * 1024;
/** Parts of one delivery: each reads `PART_FILES` objects, and a Worker has 10,000 subrequests. */
const PARTS_AT_ONCE = 10;
/** R2 gets side by side: the platform opens six connections at once. */
const GETS_AT_ONCE = 4;
/** Two empty blocks end a tar file; within the archive they would end it too early. */
const TAR_END_BYTES = 1024;
const NOTHING_YET: ExportProgress = { afterPath: "", parts: [], files: 0, bytes: 0, done: false };

type ExportMessage = Extract<IndexingMessage, { kind: "export" }>;

/**
 * Writes the next parts of an export. A part is a gzip member of whole tar entries, an R2 object of its own: memory is
 * bounded whatever the size, and an interrupted export goes on behind its last part. Of two deliveries at once, one
 * wins each part. Every part is noted as garbage of tomorrow, which is how it is deleted.
 */
export async function runExport(deps: ExportDeps, message: ExportMessage): Promise<void> {
  const { workspaceId, jobId } = message;
  await touchJob(deps.db, jobId, deps.now());
  for (let part = 0; part < PARTS_AT_ONCE; part++) {
    const [job] = await selectJob(deps.db, workspaceId, jobId);
    if (job === undefined || job.finishedAt !== null) return;
    const progress = job.spec.exported ?? NOTHING_YET;
    if (progress.done)
      return void (await deps.db.batch([
        markExpanded(deps.db, jobId, deps.now()),
        finishJob(deps.db, jobId, deps.now()),
      ]));
    if (!(await writePart(deps, job, progress))) return;
  }
  await deps.queue.send([message]);
}

/** @returns false where another delivery wrote this part. */
async function writePart(deps: ExportDeps, job: JobRow, progress: ExportProgress): Promise<boolean> {
  const { workspaceId, id: jobId } = job;
  const { rows, more } = await nextFiles(deps, workspaceId, progress.afterPath);
  const contents = await mapBounded(rows, GETS_AT_ONCE, (row) => contentOf(deps, row));
  const number = progress.parts.length + 1;
  const lines = rows.map((row) => JSON.stringify(describe(row)));
  const entries: TarEntry[] = rows.flatMap((row, i) => {
    const body = contents[i];
    return body ? [entry(`files/${row.path}`, body, row.updatedAt)] : [];
  });
  if (lines.length > 0) {
    entries.push(
      entry(
        `metadata/files-${String(number).padStart(6, "0")}.ndjson`,
        text(`${lines.join("\n")}\n`),
        deps.now(),
      ),
    );
  }
  const read = contents.filter((body) => body !== null);
  const next = {
    files: progress.files + read.length,
    bytes: progress.bytes + read.reduce((sum, body) => sum + body.length, 0),
  };
  if (!more) entries.push(...(await closingEntries(deps, job, next)));
  const tar = await packTar(entries);
  const bytes = await gzip(more ? tar.subarray(0, tar.length - TAR_END_BYTES) : tar);
  const key = `ws/${workspaceId}/exports/${base32(randomBytes(20))}`;
  await insertGarbage(deps.db, workspaceId, [key], deps.now() + EXPORT_KEPT_MS - GARBAGE_AFTER_MS);
  await deps.blobs.put(key, bytes);
  const advanced = await advanceExport(
    deps.db,
    jobId,
    {
      ...next,
      afterPath: rows.at(-1)?.path ?? progress.afterPath,
      parts: [...progress.parts, { key, size: bytes.length }],
      done: !more,
    },
    deps.now(),
  );
  return advanced.length > 0;
}

/** As many of the next files by path as fit into a part; one at least, where there is one. */
async function nextFiles(deps: ExportDeps, workspaceId: string, afterPath: string) {
  const page = await listFiles(deps.db, workspaceId, null, afterPath, PART_FILES + 1);
  const rows: FileRow[] = [];
  let bytes = 0;
  for (const row of page.slice(0, PART_FILES)) {
    bytes += row.blob === null ? 0 : row.size;
    if (rows.length > 0 && bytes > PART_BYTES) break;
    rows.push(row);
  }
  return { rows, more: rows.length < page.length };
}

/** Null where nothing is stored of it, or it was replaced meanwhile: the metadata tell of it. */
async function contentOf({ blobs }: ExportDeps, row: FileRow): Promise<Uint8Array | null> {
  if (row.blob === null) return null;
  const object = await blobs.get(blobKey(row.workspaceId, row.blob));
  return object === null ? null : new Uint8Array(await object.arrayBuffer());
}

function describe(row: FileRow) {
  const { path, size, sha256, language, status, skipReason, error, chunks, updatedAt, indexedAt } = row;
  return {
    path,
    size,
    sha256,
    language,
    status,
    skip_reason: skipReason,
    error,
    chunks,
    updated_at: new Date(updatedAt).toISOString(),
    indexed_at: indexedAt === null ? null : new Date(indexedAt).toISOString(),
  };
}

/** What stands at the end, when the counts are known. Keys without their digests. */
async function closingEntries(
  deps: ExportDeps,
  { workspaceId, createdAt }: JobRow,
  totals: { files: number; bytes: number },
): Promise<TarEntry[]> {
  const [[workspace], keys] = await Promise.all([
    selectWorkspace(deps.db, workspaceId),
    selectKeys(deps.db, workspaceId, null, MAX_KEYS),
  ]);
  const now = deps.now();
  const shown = keys.map(({ digest: _, ...key }) => JSON.stringify(key));
  const manifest = {
    format: "devflow-export",
    version: 1,
    workspace: { id: workspaceId, name: workspace?.name ?? null },
    started_at: new Date(createdAt).toISOString(),
    finished_at: new Date(now).toISOString(),
    ...totals,
  };
  return [
    entry("metadata/keys.ndjson", text(shown.map((line) => `${line}\n`).join("")), now),
    entry("manifest.json", text(`${JSON.stringify(manifest, null, 2)}\n`), now),
  ];
}

/** More than a workspace may have live; the oldest revoked ones stay out. */
const MAX_KEYS = 1000;

function entry(name: string, body: Uint8Array, atMs: number): TarEntry {
  return { header: { name, size: body.length, type: "file", mtime: new Date(atMs) }, body };
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
