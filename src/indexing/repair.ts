import { CollectionGoneError } from "../core/collection-gone.ts";
import { collectionIds } from "../db/collections.ts";
import { type JobRow, selectActiveWorkspaces, selectStalledJobs, touchJob } from "../db/jobs.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import type { IndexingDeps } from "./deps.ts";
import { sendPending } from "./send-pending.ts";

/** A job that nothing moved for this long has lost its messages, or waits behind many: sending again is harmless. */
const STALLED_AFTER_MS = 10 * 60_000;
/** A consumer lives 15 minutes at most: what it promised before twice that, it will not write any more. */
const UNSETTLED_AFTER_MS = 30 * 60_000;
const ACTIVE_WITHIN_MS = 24 * 3_600_000;
/** Bounds of one run; the next one goes on. */
const JOBS_AT_ONCE = 20;
const WORKSPACES_AT_ONCE = 50;
const VECTORS_AT_ONCE = 3_000;

/**
 * Sends the messages of stalled jobs again.
 * @param stalledAfterMs jobs that nothing moved for this long; 0 where the queue is known to be empty.
 * @returns the number of jobs taken up.
 */
export async function resumeStalledJobs(
  deps: Pick<IndexingDeps, "db" | "queue" | "log" | "now">,
  stalledAfterMs = STALLED_AFTER_MS,
): Promise<number> {
  const jobs = await selectStalledJobs(deps.db, deps.now() - stalledAfterMs, JOBS_AT_ONCE);
  for (const job of jobs) {
    deps.log.warning("a stalled job is taken up again", { job_id: job.id, kind: job.kind });
    await resume(deps, job);
  }
  return jobs.length;
}

async function resume(deps: Pick<IndexingDeps, "db" | "queue" | "now">, job: JobRow): Promise<void> {
  // First, so that a job that cannot be resumed does not keep the others from their turn.
  await touchJob(deps.db, job.id, deps.now());
  await sendMessages(deps, job);
}

/** Sends what a job needs to go on from wherever it stands. */
export async function sendMessages(
  deps: Pick<IndexingDeps, "db" | "queue" | "now">,
  job: JobRow,
): Promise<void> {
  const { id: jobId, workspaceId } = job;
  if (job.kind === "delete" || job.kind === "delete_workspace" || job.kind === "export") {
    await deps.queue.send([{ kind: job.kind, workspaceId, jobId, bulk: true }]);
    return;
  }
  if (job.kind === "backup" || job.kind === "restore") {
    await deps.queue.send([{ kind: job.kind, workspaceId, jobId, bulk: true }]);
    return;
  }
  if (job.kind === "sync") {
    await sendPending(deps, job);
    if (!job.expanded) await deps.queue.send([{ kind: "sync", workspaceId, jobId }]);
    return;
  }
  if (!job.expanded) {
    if (job.kind === "archive") await deps.queue.send([{ kind: "archive", workspaceId, jobId, bulk: true }]);
    else if (job.kind === "index") {
      await deps.queue.send([{ kind: "expand", workspaceId, jobId, afterPath: "" }]);
    }
    return;
  }
  await sendPending(deps, job);
}

/**
 * Deletes vectors that were promised or condemned and never settled: what a crash between two stores left.
 * @returns the number of vectors settled.
 */
export async function settleVectors(
  deps: Pick<IndexingDeps, "db" | "vectors" | "workspaceIndex" | "log" | "now">,
): Promise<number> {
  const now = deps.now();
  const active = await selectActiveWorkspaces(deps.db, now - ACTIVE_WITHIN_MS, WORKSPACES_AT_ONCE);
  let settled = 0;
  for (const { workspaceId } of active) {
    try {
      settled += await settleWorkspace(deps, workspaceId, now - UNSETTLED_AFTER_MS);
    } catch (error) {
      deps.log.error("vectors could not be settled", error, { workspace_id: workspaceId });
    }
  }
  return settled;
}

async function settleWorkspace(
  deps: Pick<IndexingDeps, "db" | "vectors" | "workspaceIndex">,
  workspaceId: string,
  beforeMs: number,
): Promise<number> {
  const index = deps.workspaceIndex(workspaceId);
  const ids = await index.unsettled(beforeMs, VECTORS_AT_ONCE);
  if (ids.length === 0) return 0;
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  for (const collectionId of collectionIds(workspace)) {
    await deps.vectors.delete(collectionId, ids).catch((error: unknown) => {
      // A collection that is gone holds no vector.
      if (!(error instanceof CollectionGoneError)) throw error;
    });
  }
  await index.settle(ids);
  return ids.length;
}
