import { base32, randomBytes } from "../core/ids.ts";
import { languageOf } from "../core/languages.ts";
import { LIMITS } from "../core/limits.ts";
import { type FileToIndex, indexMessages } from "../core/messages.ts";
import type { IndexingMessage } from "../core/ports.ts";
import { addToReceipt, deleteFiles } from "../db/delete-files.ts";
import { insertJobFiles } from "../db/job-files.ts";
import { finishJob, markExpanded, selectJob, touchJob } from "../db/jobs.ts";
import {
  buryMoved,
  countWaitingFiles,
  finishSyncFiles,
  MOVED,
  moveFiles,
  type SyncRow,
  selectSyncFiles,
  selectSyncOfJob,
} from "../db/syncs.ts";
import type { Tombstone } from "../db/tombstones.ts";
import { type AcceptDeps, deleteBlobs } from "./accept.ts";
import { copyFiles } from "./copy-files.ts";
import { removeDerived } from "./remove-derived.ts";

type SyncMessage = Extract<IndexingMessage, { kind: "sync" }>;

/** Between looks whether what was uploaded is indexed; a queue counts in whole seconds. */
const LOOK_SECONDS = 2;
/**
 * So few files are indexed within the second that is waited for them here, in place of the next delivery. Once only: files
 * that cannot be indexed for now are not to keep a consumer from others.
 */
const FEW_FILES = 100;
const LOOKS = 10;
const LOOK_MS = 100;

/**
 * Carries out a committed sync, from wherever it was interrupted: copies, as long as what they are copies of stands
 * where it did; renames; then, once nothing waits for the index any more, what is to go. Until then searches find files
 * at their old paths, and vectors of moved files can be copied.
 * Errors: `upstream_unavailable`; the message is then to be delivered again.
 */
export async function runSync(deps: AcceptDeps, message: SyncMessage): Promise<void> {
  for (let look = 1; ; look++) {
    const waiting = await goOn(deps, message);
    if (waiting === 0) return;
    if (message.looked || waiting > FEW_FILES || look === LOOKS) {
      return deps.queue.send([{ ...message, looked: true }], LOOK_SECONDS);
    }
    await new Promise((resume) => setTimeout(resume, LOOK_MS));
  }
}

/** @returns files that the next step has to wait for, counted to one more than few; 0 where nothing is left to do here. */
async function goOn(deps: AcceptDeps, message: SyncMessage): Promise<number> {
  const { workspaceId, jobId } = message;
  const [[job], [sync], [waits]] = await deps.db.batch([
    selectJob(deps.db, workspaceId, jobId),
    selectSyncOfJob(deps.db, workspaceId, jobId),
    countWaitingFiles(deps.db, jobId, FEW_FILES + 1),
  ]);
  if (job === undefined || job.finishedAt !== null || sync === undefined || sync.committedAt === null)
    return 0;
  if (await copyFiles(deps, job, sync)) {
    await touchJob(deps.db, jobId, deps.now());
    await deps.queue.send([message]);
    return 0;
  }
  const moved = await move(deps, sync);
  // A job that is paused may be so for weeks: what is deleted must not be found until then.
  if (job.status !== "paused") {
    if (moved) {
      // Behind the messages of what was moved.
      await deps.queue.send([message]);
      return 0;
    }
    if (waits !== undefined && waits.waiting > 0) return waits.waiting;
  }
  await touchJob(deps.db, jobId, deps.now());
  await dropOldPaths(deps, sync);
  if (sync.deleteMissing === true) await deleteMissing(deps, sync);
  await deps.db.batch([markExpanded(deps.db, jobId, deps.now()), finishJob(deps.db, jobId, deps.now())]);
  return 0;
}

/** @returns whether any file was moved now. */
async function move(deps: AcceptDeps, sync: SyncRow): Promise<boolean> {
  for (let any = false; ; any = true) {
    const page = await selectSyncFiles(deps.db, sync.id, "rename", "planned", LIMITS.inlineDeleteFiles);
    if (page.length === 0) return any;
    const renames = page.map(({ path, fromPath, sha256 }) => ({
      from: fromPath ?? "",
      to: path,
      sha256: sha256 ?? "",
      language: languageOf(path),
    }));
    const id = base32(randomBytes(16));
    const results = (await deps.db.batch(
      moveFiles(deps.db, { id, sync, now: deps.now(), renames }),
    )) as unknown[][];
    const toIndex = results[MOVED] as FileToIndex[];
    await deps.queue.send(indexMessages(sync.workspaceId, sync.jobId, toIndex));
    await touchJob(deps.db, sync.jobId, deps.now());
  }
}

/** Takes moved files out of index and vectors at their old paths. */
async function dropOldPaths(deps: AcceptDeps, sync: SyncRow): Promise<void> {
  for (;;) {
    const page = await selectSyncFiles(deps.db, sync.id, "rename", "moved", LIMITS.inlineDeleteFiles);
    if (page.length === 0) return;
    const old = page.map(({ fromPath, generation }) => ({
      path: fromPath ?? "",
      generation: generation ?? 0,
    }));
    await buryMoved(deps.db, sync.workspaceId, old, deps.now());
    const { chunks, vectors } = await removeDerived(deps, sync.workspaceId, old);
    await deps.db.batch([
      finishSyncFiles(
        deps.db,
        sync.id,
        page.map(({ path }) => path),
      ),
      addToReceipt(
        deps.db,
        sync.jobId,
        { moved: page.length, files: 0, chunks, vectors, blobs: 0 },
        deps.now(),
      ),
    ]);
  }
}

/** Deletes what the plan missed, as far as it is not newer than the plan. */
async function deleteMissing(deps: AcceptDeps, sync: SyncRow): Promise<void> {
  const { workspaceId, jobId } = sync;
  for (;;) {
    const page = await selectSyncFiles(deps.db, sync.id, "delete", "planned", LIMITS.inlineDeleteFiles);
    if (page.length === 0) return;
    const paths = page.map(({ path }) => path);
    const results = (await deps.db.batch(
      deleteFiles(deps.db, {
        id: base32(randomBytes(16)),
        workspaceId,
        now: deps.now(),
        target: { paths },
        upToGeneration: sync.generation,
        limit: LIMITS.inlineDeleteFiles,
        jobId: null,
      }),
    )) as unknown[][];
    const blobKeys = (results[1] as { key: string }[]).map(({ key }) => key);
    const tombstones = results[2] as Tombstone[];
    const { chunks, vectors } = await removeDerived(deps, workspaceId, tombstones);
    await deleteBlobs(deps, blobKeys);
    const counts = { moved: 0, files: tombstones.length, chunks, vectors, blobs: blobKeys.length };
    await deps.db.batch([
      insertJobFiles(
        deps.db,
        jobId,
        tombstones.map((file) => ({ ...file, status: "deleted", reason: null, message: null })),
      ),
      finishSyncFiles(deps.db, sync.id, paths),
      addToReceipt(deps.db, jobId, counts, deps.now()),
    ]);
  }
}
