import { mapBounded } from "../core/bounded.ts";
import { LIMITS } from "../core/limits.ts";
import { blobKey } from "../db/blob-garbage.ts";
import { takeGeneration } from "../db/collections.ts";
import { type FileRow, selectFiles } from "../db/files.ts";
import { insertJobFiles } from "../db/job-files.ts";
import type { JobRow } from "../db/jobs.ts";
import { finishSyncFiles, type SyncFileRow, type SyncRow, selectSyncFiles } from "../db/syncs.ts";
import { type AcceptDeps, accept } from "./accept.ts";
import { leaveOut } from "./leave-out.ts";
import { UploadGroup } from "./upload-group.ts";

/** Files of one delivery: each is a read and a write of R2. */
const PAGE = 500;
/** Blobs read side by side, of at most 1 MiB each. */
const READS_AT_ONCE = 4;

/**
 * Stores some of the planned copies as if they had been uploaded, with the bytes of the files that they are copies of:
 * searched for secrets, and left out by what ignore files say by now. What came to a path after the plan stays.
 * @returns whether any was left to do; the caller comes again until none is.
 */
export async function copyFiles(deps: AcceptDeps, job: JobRow, sync: SyncRow): Promise<boolean> {
  const { workspaceId } = sync;
  const planned = await selectSyncFiles(deps.db, sync.id, "copy", "planned", PAGE);
  if (planned.length === 0) return false;
  // Taken before the rows are read: whatever is accepted from here on is newer, and wins.
  const [taken] = await takeGeneration(deps.db, workspaceId);
  if (taken === undefined) return false;
  const rows = await rowsOf(deps, workspaceId, planned);
  const wanted = planned.filter(({ path }) => (rows.get(path)?.generation ?? 0) <= sync.generation);

  const { keyId, requestId } = job;
  const uploader = { workspaceId, keyId, requestId, ip: null, route: null };
  const { useDefaultIgnores } = sync;
  const group = new UploadGroup(deps, uploader, { folder: null, allowSecrets: false, useDefaultIgnores });
  const lost: SyncFileRow[] = [];
  for (let start = 0; start < wanted.length; start += READS_AT_ONCE) {
    const some = wanted.slice(start, start + READS_AT_ONCE);
    const contents = await mapBounded(some, READS_AT_ONCE, (file) => contentOf(deps, rows, file));
    for (const [i, file] of some.entries()) {
      const bytes = contents[i] ?? null;
      if (bytes === null) lost.push(file);
      else await group.add(file.path, bytes);
    }
  }
  await group.flush();
  const upload = { folder: sync.path, useDefaultIgnores };
  const gathered = await leaveOut(deps, workspaceId, group.take(), new Map(), upload);
  await accept(deps, {
    workspaceId,
    keyId,
    generation: taken.generation,
    ...gathered,
    job: { id: job.id },
    precondition: null,
    event: null,
  });
  await deps.db.batch([
    insertJobFiles(
      deps.db,
      job.id,
      lost.map(({ path }) => ({ path, generation: taken.generation, status: "failed", ...LOST })),
    ),
    finishSyncFiles(
      deps.db,
      sync.id,
      planned.map(({ path }) => path),
    ),
  ]);
  return true;
}

const LOST = {
  reason: "superseded",
  message: "The file that it is a copy of has changed since the plan; sync again.",
};

/** Rows of the copies' paths and of those that they are copies of. */
async function rowsOf(
  deps: Pick<AcceptDeps, "db">,
  workspaceId: string,
  planned: readonly SyncFileRow[],
): Promise<Map<string, FileRow>> {
  const paths = new Set(planned.flatMap(({ path, fromPath }) => [path, fromPath ?? path]));
  const rows = await selectFiles(deps.db, workspaceId, [...paths]);
  return new Map(rows.map((row) => [row.path, row]));
}

/** Null where the file is not as it was planned any more. */
async function contentOf(
  deps: Pick<AcceptDeps, "blobs">,
  rows: ReadonlyMap<string, FileRow>,
  { fromPath, sha256, workspaceId }: SyncFileRow,
): Promise<Uint8Array | null> {
  const from = rows.get(fromPath ?? "");
  if (from === undefined || from.blob === null || from.sha256 !== sha256) return null;
  if (from.size > LIMITS.indexedFileBytes) return null;
  const object = await deps.blobs.get(blobKey(workspaceId, from.blob));
  return object === null ? null : new Uint8Array(await object.arrayBuffer());
}
