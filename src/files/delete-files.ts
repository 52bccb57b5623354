import { DevFlowError } from "../core/errors.ts";
import { base32, newTimeId, randomBytes } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { MessageQueue } from "../core/ports.ts";
import { takeGeneration } from "../db/collections.ts";
import {
  addToReceipt,
  buryFolder,
  type DeleteTarget,
  deleteFiles as deletionBatch,
  insertDeleteJob,
} from "../db/delete-files.ts";
import { countSelected, selectFile } from "../db/files.ts";
import { insertJobIfRoom } from "../db/jobs.ts";
import type { Tombstone } from "../db/tombstones.ts";
import { deleteBlobs } from "./accept.ts";
import { type RemoveDerivedDeps, removeDerived } from "./remove-derived.ts";
import type { Uploader } from "./uploader.ts";

export interface DeleteDeps extends RemoveDerivedDeps {
  blobs: R2Bucket;
  queue: MessageQueue;
  log: Logger;
}

/** Counts of what is gone: taken after it went. */
export interface DeleteReceipt {
  files: number;
  chunks: number;
  vectors: number;
  blobs: number;
}

export type DeleteResult = { deleted: DeleteReceipt } | { jobId: string };

/**
 * Deletes up to 1,000 files at once, more by a job. From the first batch on they are nowhere listed, and from the
 * second step on no search finds them; where the vector store does not answer, a job finishes the work.
 * Errors: `not_found` where a path selects nothing; `quota_exceeded` for running jobs.
 */
export async function deleteFiles(
  deps: DeleteDeps,
  caller: Pick<Uploader, "workspaceId" | "keyId" | "requestId">,
  target: DeleteTarget,
): Promise<DeleteResult> {
  const { workspaceId } = caller;
  const count = await countTarget(deps, workspaceId, target);
  if (count === 0 && !("all" in target)) {
    throw new DevFlowError("not_found", notFoundDetail(target));
  }
  if (count > LIMITS.inlineDeleteFiles) return { jobId: await startDeletion(deps, caller, target) };
  const round = await deleteRound(deps, workspaceId, target, null, null);
  try {
    const { chunks, vectors } = await removeDerived(deps, workspaceId, round.tombstones);
    await deleteBlobs(deps, round.blobKeys);
    return {
      deleted: { files: round.tombstones.length, chunks, vectors, blobs: round.blobKeys.length },
    };
  } catch (error) {
    deps.log.error("a deletion is left to a job", error, { files: round.tombstones.length });
    return { jobId: await deferDeletion(deps, caller, target, round) };
  }
}

interface Round {
  tombstones: Tombstone[];
  blobKeys: string[];
}

/** Deletes the rows of up to 1,000 files, in one batch with their tombstones. */
export async function deleteRound(
  deps: Pick<DeleteDeps, "db" | "now">,
  workspaceId: string,
  target: DeleteTarget,
  upToGeneration: number | null,
  jobId: string | null,
): Promise<Round> {
  const results = (await deps.db.batch(
    deletionBatch(deps.db, {
      id: base32(randomBytes(16)),
      workspaceId,
      now: deps.now(),
      target,
      upToGeneration,
      limit: LIMITS.inlineDeleteFiles,
      jobId,
    }),
  )) as unknown[][];
  return {
    tombstones: results[2] as Tombstone[],
    blobKeys: (results[1] as { key: string }[]).map(({ key }) => key),
  };
}

async function countTarget(deps: DeleteDeps, workspaceId: string, target: DeleteTarget): Promise<number> {
  if ("file" in target) return (await selectFile(deps.db, workspaceId, target.file)).length;
  const selector = "below" in target ? target.below : null;
  const [row] = await countSelected(deps.db, workspaceId, selector, LIMITS.inlineDeleteFiles + 1);
  return row?.count ?? 0;
}

function notFoundDetail(target: DeleteTarget): string {
  return "file" in target
    ? "No file is stored at this path; a folder takes recursive: true."
    : "No file is stored at or below this path.";
}

async function startDeletion(
  deps: DeleteDeps,
  caller: Pick<Uploader, "workspaceId" | "keyId" | "requestId">,
  target: DeleteTarget,
): Promise<string> {
  const { workspaceId, keyId, requestId } = caller;
  const now = deps.now();
  const id = newTimeId("job", now);
  const [, , inserted] = await deps.db.batch([
    takeGeneration(deps.db, workspaceId),
    buryFolder(deps.db, workspaceId, target, now),
    insertJobIfRoom(deps.db, {
      id,
      workspaceId,
      keyId,
      requestId,
      kind: "delete",
      spec: specOf(target),
      now,
      maxOpen: LIMITS.workspaceRunningJobs,
    }),
  ]);
  if (inserted.length === 0) {
    throw new DevFlowError(
      "quota_exceeded",
      `The workspace may have ${LIMITS.workspaceRunningJobs} jobs running; wait for one to end.`,
      { members: { quota: "running_jobs", max: LIMITS.workspaceRunningJobs } },
    );
  }
  await deps.queue.send([{ kind: "delete", workspaceId, jobId: id, bulk: true }]);
  return id;
}

async function deferDeletion(
  deps: DeleteDeps,
  caller: Pick<Uploader, "workspaceId" | "keyId" | "requestId">,
  target: DeleteTarget,
  round: Round,
): Promise<string> {
  const now = deps.now();
  const id = newTimeId("job", now);
  await deps.db.batch([
    ...insertDeleteJob(deps.db, { id, ...caller, spec: specOf(target), now }, round.tombstones),
    addToReceipt(deps.db, id, { files: 0, chunks: 0, vectors: 0, blobs: 0 }, now),
  ]);
  await deleteBlobs(deps, round.blobKeys);
  await deps.db.batch([
    addToReceipt(deps.db, id, { files: 0, chunks: 0, vectors: 0, blobs: round.blobKeys.length }, now),
  ]);
  await deps.queue.send([{ kind: "delete", workspaceId: caller.workspaceId, jobId: id, bulk: true }]);
  return id;
}

function specOf(target: DeleteTarget) {
  if ("all" in target) return { all: true };
  return "file" in target ? { path: target.file } : { path: target.below, recursive: true };
}
