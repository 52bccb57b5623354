import type { Database } from "../db/database.ts";
import { finishJob, markExpanded, selectJob } from "../db/jobs.ts";
import { deleteSync, deleteSyncFiles, selectEndedSyncs } from "../db/syncs.ts";

/** Uploads that were begun before a plan expired have ended by then. */
const EXPIRED_AFTER_MS = 15 * 60_000;
/** How long a commit may be repeated. */
const COMMITTED_KEPT_MS = 24 * 3_600_000;
/** Bounds of one run; the next one goes on. */
const SYNCS_AT_ONCE = 20;
const ROWS = 5_000;

/**
 * Forgets plans that have expired, and those that were carried out a day ago. Files that were uploaded to a plan that
 * nobody committed stay: its job ends with them. @returns the number of plans.
 */
export async function forgetSyncs(deps: { db: Database; now(): number }): Promise<number> {
  const now = deps.now();
  const expired = await selectEndedSyncs(deps.db, now - EXPIRED_AFTER_MS, false, SYNCS_AT_ONCE);
  for (const { jobId } of expired) {
    await deps.db.batch([markExpanded(deps.db, jobId, now), finishJob(deps.db, jobId, now)]);
  }
  const carriedOut: typeof expired = [];
  for (const sync of await selectEndedSyncs(deps.db, now - COMMITTED_KEPT_MS, true, SYNCS_AT_ONCE)) {
    const [job] = await selectJob(deps.db, sync.workspaceId, sync.jobId);
    if (job === undefined || job.finishedAt !== null) carriedOut.push(sync);
  }
  for (const { id } of [...expired, ...carriedOut]) {
    for (;;) {
      const { meta } = await deleteSyncFiles(deps.db, id, ROWS);
      if (meta.changes < ROWS) break;
    }
    await deleteSync(deps.db, id);
  }
  return expired.length + carriedOut.length;
}
