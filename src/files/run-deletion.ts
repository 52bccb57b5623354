import { LIMITS } from "../core/limits.ts";
import { addToReceipt, type DeleteTarget } from "../db/delete-files.ts";
import { finishJobFiles, selectPendingFiles } from "../db/job-files.ts";
import { finishJob, markExpanded, selectJob, touchJob } from "../db/jobs.ts";
import type { JobSpec } from "../db/schema.ts";
import type { Tombstone } from "../db/tombstones.ts";
import { deleteBlobs } from "./accept.ts";
import { type DeleteDeps, deleteRound } from "./delete-files.ts";
import { removeDerived } from "./remove-derived.ts";

/**
 * Carries out a job of kind `delete`, from wherever it was interrupted. Files that were accepted after the job are
 * left alone. A job that is over, cancelled for one, is left as it is.
 * Errors: `upstream_unavailable`; the message is then to be delivered again.
 */
export async function runDeletion(
  deps: DeleteDeps,
  message: { workspaceId: string; jobId: string },
): Promise<void> {
  const { workspaceId, jobId } = message;
  for (;;) {
    const [job] = await selectJob(deps.db, workspaceId, jobId);
    if (job === undefined || job.finishedAt !== null) return;
    await touchJob(deps.db, jobId, deps.now());
    await finishRemoval(deps, workspaceId, jobId);
    if (job.expanded) break;
    const { tombstones, blobKeys } = await deleteRound(
      deps,
      workspaceId,
      targetOf(job.spec),
      job.spec.generation ?? null,
      jobId,
    );
    if (tombstones.length === 0) await markExpanded(deps.db, jobId, deps.now());
    await deleteBlobs(deps, blobKeys);
    await addToReceipt(
      deps.db,
      jobId,
      { files: 0, chunks: 0, vectors: 0, blobs: blobKeys.length },
      deps.now(),
    );
  }
  await finishJob(deps.db, jobId, deps.now());
}

/** Takes the job's deleted files out of index and vectors, and counts them. */
async function finishRemoval(deps: DeleteDeps, workspaceId: string, jobId: string): Promise<void> {
  for (;;) {
    const pending: Tombstone[] = await selectPendingFiles(
      deps.db,
      workspaceId,
      jobId,
      "",
      LIMITS.inlineDeleteFiles,
    );
    if (pending.length === 0) return;
    const { chunks, vectors } = await removeDerived(deps, workspaceId, pending);
    const now = deps.now();
    await deps.db.batch([
      finishJobFiles(
        deps.db,
        jobId,
        pending.map(({ path, generation }) => ({
          path,
          generation,
          status: "deleted",
          reason: null,
          message: null,
          chunks: 0,
          embedded: 0,
          reused: 0,
          tokens: 0,
        })),
      ),
      addToReceipt(deps.db, jobId, { files: pending.length, chunks, vectors, blobs: 0 }, now),
    ]);
  }
}

function targetOf(spec: JobSpec): DeleteTarget {
  if (spec.all === true || spec.path === undefined) return { all: true };
  return spec.recursive === true ? { below: spec.path } : { file: spec.path };
}
