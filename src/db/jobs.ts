import { and, desc, eq, gte, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { countsOf } from "./job-counts.ts";
import { type Before, newestFirst, olderThan } from "./newest-first.ts";
import { type JobKind, type JobSpec, jobs } from "./schema.ts";

export type JobRow = typeof jobs.$inferSelect;

/** Statuses of a job that is not over. */
export const OPEN_STATUSES = ["queued", "running", "paused"] as const;

/**
 * Makes a queued job whose files are still to be found; no row comes back where the workspace has too many open
 * ones, or (with `whileCollection`) another collection than that is in use. Its spec takes the workspace's present
 * generation: in a batch, `takeGeneration` comes before it where the job is to have one of its own.
 */
export function insertJobIfRoom(
  db: Database,
  job: {
    id: string;
    workspaceId: string;
    keyId: string | null;
    requestId: string | null;
    kind: JobKind;
    spec: JobSpec;
    now: number;
    maxOpen: number;
    whileCollection?: string | null;
  },
) {
  return db.all<{ id: string }>(sql`
    INSERT INTO jobs (id, workspace_id, key_id, request_id, kind, status, spec, expanded, created_at, updated_at)
    SELECT ${job.id}, id, ${job.keyId}, ${job.requestId}, ${job.kind}, 'queued',
      json_set(${JSON.stringify(job.spec)}, '$.generation', generation), 0, ${job.now}, ${job.now}
    FROM workspaces WHERE id = ${job.workspaceId} AND deleted_at IS NULL
      AND ${runningJobs(job.workspaceId)} < ${job.maxOpen}
      AND ${job.whileCollection === undefined ? sql`true` : sql`collection_id IS ${job.whileCollection}`}
    RETURNING id`);
}

/** How many jobs of the workspace count against its quota: those of a single `PUT` do not. */
export function runningJobs(workspaceId: string): SQL {
  return sql`(SELECT count(*) FROM jobs WHERE workspace_id = ${workspaceId}
    AND status IN ('queued', 'running', 'paused') AND kind <> 'put')`;
}

/** Whether a batch has made the job: for what is to be written with it, or not at all. */
export function jobExists(id: string): SQL {
  return sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${id})`;
}

export function selectJob(db: Database, workspaceId: string, id: string) {
  return db
    .select()
    .from(jobs)
    .where(and(eq(jobs.workspaceId, workspaceId), eq(jobs.id, id)))
    .limit(1);
}

/** A backup or restore by its id: a job of the whole deployment. */
export function selectDeploymentJob(db: Database, id: string) {
  return db
    .select()
    .from(jobs)
    .where(and(eq(jobs.id, id), inArray(jobs.kind, ["backup", "restore"])))
    .limit(1);
}

/** The job that erases a workspace, by its own id or the workspace's: what the root key may see of jobs. */
export function selectDeletionJob(db: Database, by: { id: string } | { workspaceId: string }) {
  const named = "id" in by ? eq(jobs.id, by.id) : eq(jobs.workspaceId, by.workspaceId);
  return db
    .select()
    .from(jobs)
    .where(and(named, eq(jobs.kind, "delete_workspace")))
    .limit(1);
}

/** Newest first. Not by id: that of a sync's job was given out with its plan. */
export function listJobs(db: Database, workspaceId: string, before: Before | null, limit: number) {
  return db
    .select()
    .from(jobs)
    .where(and(eq(jobs.workspaceId, workspaceId), olderThan(jobs, before)))
    .orderBy(...newestFirst(jobs))
    .limit(limit);
}

/** The job is being worked on: queued becomes running, and its time of progress moves. */
export function touchJob(db: Database, id: string, now: number) {
  return db
    .update(jobs)
    .set({
      status: sql`iif(${jobs.status} = 'queued', 'running', ${jobs.status})`,
      startedAt: sql`coalesce(${jobs.startedAt}, ${now})`,
      updatedAt: now,
    })
    .where(and(eq(jobs.id, id), inArray(jobs.status, [...OPEN_STATUSES])));
}

/** The archive of the job has its outcome up to this entry; it never goes back. */
export function advanceJob(db: Database, id: string, unpacked: number, now: number) {
  return db.run(sql`
    UPDATE jobs SET spec = json_set(spec, '$.unpacked', max(coalesce(spec ->> 'unpacked', 0), ${unpacked})),
      updated_at = ${now}
    WHERE id = ${id} AND status IN ('queued', 'running', 'paused')`);
}

/** All files of the job are now in `job_files`. */
export function markExpanded(db: Database, id: string, now: number) {
  return db.update(jobs).set({ expanded: true, updatedAt: now }).where(eq(jobs.id, id));
}

/** Ends the job if no file of it is left to do: failed if any of its files did. To be the last of a batch. */
export function finishJob(db: Database, id: string, now: number) {
  const count = (status: string) =>
    sql`EXISTS (SELECT 1 FROM job_files WHERE job_id = ${id} AND status = ${status})`;
  return db
    .update(jobs)
    .set({
      status: sql`iif(${count("failed")}, 'failed', 'succeeded')`,
      error: sql`iif(${count("failed")}, ${jobs.error}, NULL)`,
      tokensWanted: null,
      counts: countsOf(id),
      startedAt: sql`coalesce(${jobs.startedAt}, ${now})`,
      updatedAt: now,
      finishedAt: now,
    })
    .where(
      and(
        eq(jobs.id, id),
        eq(jobs.expanded, true),
        inArray(jobs.status, [...OPEN_STATUSES]),
        sql`NOT ${count("pending")}`,
      ),
    );
}

/** Ends the job as failed, whatever its files: it could not be carried out at all. A retry goes on from there. */
export function failJob(db: Database, id: string, error: string, now: number) {
  return db
    .update(jobs)
    .set({
      status: "failed",
      error,
      tokensWanted: null,
      counts: countsOf(id),
      updatedAt: now,
      finishedAt: now,
    })
    .where(and(eq(jobs.id, id), inArray(jobs.status, [...OPEN_STATUSES])));
}

/** Id of the request that the job began with; null for one of the cron. */
export function selectRequestOfJob(db: Database, id: string) {
  return db.select({ requestId: jobs.requestId }).from(jobs).where(eq(jobs.id, id)).limit(1);
}

/** Why the last attempt did not get through; shown while the job is retried. Safe for clients. */
export function noteJobError(db: Database, id: string, error: string, now: number) {
  return db
    .update(jobs)
    .set({ error, updatedAt: now })
    .where(and(eq(jobs.id, id), inArray(jobs.status, [...OPEN_STATUSES])));
}

/** Jobs that nothing moved since the time: their messages may be lost. Oldest first, of all workspaces. */
export function selectStalledJobs(db: Database, beforeMs: number, limit: number) {
  return db
    .select()
    .from(jobs)
    .where(and(inArray(jobs.status, ["queued", "running"]), lt(jobs.updatedAt, beforeMs)))
    .orderBy(jobs.updatedAt)
    .limit(limit);
}

/** Workspaces whose jobs moved since the time, the most recent first. */
export function selectActiveWorkspaces(db: Database, sinceMs: number, limit: number) {
  return db
    .select({ workspaceId: jobs.workspaceId })
    .from(jobs)
    .where(gte(jobs.updatedAt, sinceMs))
    .groupBy(jobs.workspaceId)
    .orderBy(desc(sql`max(${jobs.updatedAt})`))
    .limit(limit);
}
