import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import { LIMITS } from "../core/limits.ts";
import type { Database } from "./database.ts";
import { countsOf } from "./job-counts.ts";
import { OPEN_STATUSES, runningJobs } from "./jobs.ts";
import { jobs } from "./schema.ts";

/**
 * Stops the job until the workspace's budget has room again. A job that is paused already keeps its reason.
 * @param tokensWanted what the budget must have left before it is of use to go on.
 */
export function pauseJob(
  db: Database,
  id: string,
  pause: { error: string; tokensWanted: number; now: number },
) {
  return db
    .update(jobs)
    .set({ status: "paused", error: pause.error, tokensWanted: pause.tokensWanted, updatedAt: pause.now })
    .where(and(eq(jobs.id, id), inArray(jobs.status, ["queued", "running"])))
    .returning({ id: jobs.id });
}

/** Lets a paused job go on; no row comes back where it is not paused any more. */
export function resumePausedJob(db: Database, id: string, now: number) {
  return db
    .update(jobs)
    .set({ status: "running", error: null, tokensWanted: null, updatedAt: now })
    .where(and(eq(jobs.id, id), eq(jobs.status, "paused")))
    .returning({ id: jobs.id });
}

/** Workspaces with paused jobs, in no order: those that have to wait do not keep the others from their turn. */
export function selectWorkspacesWithPausedJobs(db: Database, limit: number) {
  return db.all<{ id: string; monthlyTokenBudget: number | null }>(sql`
    SELECT id, monthly_token_budget AS monthlyTokenBudget FROM workspaces
    WHERE deleted_at IS NULL AND id IN (SELECT workspace_id FROM jobs WHERE status = 'paused')
    ORDER BY random() LIMIT ${limit}`);
}

/** Paused jobs of the workspace that so many tokens are enough for, oldest first; null: any number. */
export function selectPausedJobs(db: Database, workspaceId: string, tokensLeft: number | null) {
  return db
    .select()
    .from(jobs)
    .where(
      and(
        eq(jobs.workspaceId, workspaceId),
        eq(jobs.status, "paused"),
        tokensLeft === null ? undefined : sql`coalesce(${jobs.tokensWanted}, 0) <= ${tokensLeft}`,
      ),
    )
    .orderBy(jobs.id);
}

/** Ends an open job; no row comes back where it is over. Its files that are still to be done stay so. */
export function cancelJob(db: Database, id: string, now: number) {
  return db
    .update(jobs)
    .set({
      status: "cancelled",
      error: null,
      tokensWanted: null,
      counts: countsOf(id),
      updatedAt: now,
      finishedAt: now,
    })
    .where(and(eq(jobs.id, id), inArray(jobs.status, [...OPEN_STATUSES])))
    .returning({ id: jobs.id });
}

/** The change that a retry makes: its other statements do their work only if the first one did. */
export interface Retry {
  workspaceId: string;
  jobId: string;
  now: number;
}

/**
 * Opens a job again that failed or was cancelled, where something of it is left to do and the workspace has room;
 * for one batch, whose first result is [{id}] or nothing. What failed waits for the index again; what was done stays.
 */
export function retryJob(db: Database, { workspaceId, jobId, now }: Retry) {
  const undone = sql`EXISTS (SELECT 1 FROM job_files WHERE job_id = ${jobId} AND status IN ('failed', 'pending'))`;
  const reopened = sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${jobId} AND workspace_id = ${workspaceId}
    AND status = 'queued' AND updated_at = ${now} AND counts IS NULL)`;
  return [
    db.all<{ id: string }>(sql`
      UPDATE jobs SET status = 'queued', error = NULL, counts = NULL, tokens_wanted = NULL, started_at = NULL,
        updated_at = ${now}, finished_at = NULL
      WHERE id = ${jobId} AND workspace_id = ${workspaceId} AND status IN ('failed', 'cancelled')
        AND (expanded = 0 OR ${undone}) AND (kind = 'put' OR ${room(workspaceId)}) RETURNING id`),
    db.run(sql`
      UPDATE files SET status = 'pending', skip_reason = NULL, error = NULL FROM job_files AS jf
      WHERE files.workspace_id = ${workspaceId} AND jf.job_id = ${jobId} AND jf.status = 'failed'
        AND files.path = jf.path AND files.generation = jf.generation AND files.status = 'failed' AND ${reopened}`),
    db.run(sql`
      UPDATE job_files SET status = 'pending', reason = NULL, message = NULL
      WHERE job_id = ${jobId} AND status = 'failed' AND ${reopened}`),
  ] as const;
}

function room(workspaceId: string): SQL {
  return sql`${runningJobs(workspaceId)} < ${LIMITS.workspaceRunningJobs}`;
}
