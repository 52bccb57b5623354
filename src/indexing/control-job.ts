import { DevFlowError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { deleteGarbage, insertGarbage } from "../db/blob-garbage.ts";
import { cancelJob as cancelStatement, retryJob as retryStatements } from "../db/job-control.ts";
import type { IndexingDeps } from "./deps.ts";
import { findJob, type JobView, viewJob } from "./job.ts";
import { sendMessages } from "./repair.ts";
import { sendPending } from "./send-pending.ts";

type ControlDeps = Pick<IndexingDeps, "db" | "queue" | "now">;

/**
 * Ends an open job: what it has done stays, and what was not begun is left. Files that it would have indexed wait;
 * a retry of it, or `POST /v1/index`, takes them up. To cancel it again changes nothing.
 * Errors: `not_found`; `conflict` for a job that has ended by itself.
 */
export async function cancelJob(deps: ControlDeps, workspaceId: string, id: string): Promise<JobView> {
  const job = await findJob(deps, workspaceId, id);
  const [cancelled] = await cancelStatement(deps.db, id, deps.now());
  if (cancelled === undefined) {
    const { status } = await findJob(deps, workspaceId, id);
    if (status !== "cancelled") throw new DevFlowError("conflict", `The job has ${status} already.`);
  } else if (job.spec.spool !== undefined) {
    // Kept for some hours, in which a retry takes it back.
    await insertGarbage(deps.db, workspaceId, [job.spec.spool], deps.now());
  }
  return viewJob(deps, workspaceId, id);
}

/**
 * Takes up what failed of a job, or what was left when it was cancelled; what it has done is not done again.
 * Errors: `not_found`; `conflict` for a job that is open, has succeeded, or has nothing left; `quota_exceeded` for
 * running jobs.
 */
export async function retryJob(deps: ControlDeps, workspaceId: string, id: string): Promise<JobView> {
  const job = await findJob(deps, workspaceId, id);
  const [reopened] = await deps.db.batch([
    ...retryStatements(deps.db, { workspaceId, jobId: id, now: deps.now() }),
  ]);
  if (reopened.length === 0) throw await refusalOf(deps, workspaceId, id);
  if (job.spec.spool !== undefined) await deleteGarbage(deps.db, [job.spec.spool]);
  // Its selection or archive is read anew; what it had found before does not wait for that.
  if (!job.expanded && job.kind !== "delete" && job.kind !== "export") await sendPending(deps, job);
  await sendMessages(deps, job);
  return viewJob(deps, workspaceId, id);
}

async function refusalOf(deps: ControlDeps, workspaceId: string, id: string): Promise<DevFlowError> {
  const job = await findJob(deps, workspaceId, id);
  if (job.status === "succeeded") return new DevFlowError("conflict", "Nothing of this job has failed.");
  if (job.finishedAt === null) return new DevFlowError("conflict", "The job is under way.");
  const left = job.counts?.some(({ status }) => status === "failed" || status === "pending") ?? true;
  if (job.expanded && !left) return new DevFlowError("conflict", "Nothing of this job is left to do.");
  return new DevFlowError(
    "quota_exceeded",
    `The workspace may have ${LIMITS.workspaceRunningJobs} jobs running; wait for one to end.`,
    { members: { quota: "running_jobs", max: LIMITS.workspaceRunningJobs } },
  );
}
