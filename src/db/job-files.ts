import { and, asc, eq, gt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { type JobFileStatus, jobFiles } from "./schema.ts";

export type JobFileRow = typeof jobFiles.$inferSelect;

/** A file of a job as it is found: to be done (`pending`), or at once with its outcome. */
export interface NewJobFile {
  path: string;
  generation: number;
  status: JobFileStatus;
  reason: string | null;
  message: string | null;
}

/** Any number of rows in one parameter; rows that stand already are left as they are. None for a job that is gone. */
export function insertJobFiles(db: Database, jobId: string, rows: readonly NewJobFile[]) {
  return db.run(sql`
    INSERT INTO job_files (job_id, path, generation, status, reason, message)
    SELECT ${jobId}, value ->> 'path', value ->> 'generation', value ->> 'status', value ->> 'reason',
      value ->> 'message'
    FROM json_each(${JSON.stringify(rows)}) WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ${jobId})
    ON CONFLICT (job_id, path) DO NOTHING`);
}

/** What became of one file of a job. */
export interface FileOutcome {
  path: string;
  generation: number;
  status: Exclude<JobFileStatus, "pending">;
  reason: string | null;
  /** For clients: no secret, no upstream's words. */
  message: string | null;
  chunks: number;
  embedded: number;
  reused: number;
  tokens: number;
}

/**
 * Writes outcomes of files that are still to be done; those that have one keep it, so nothing counts twice. The rows are
 * found first, by path: the planner would go through all that are pending.
 */
export function finishJobFiles(db: Database, jobId: string, outcomes: readonly FileOutcome[]) {
  return db.run(sql`
    WITH o AS MATERIALIZED (
      SELECT jf.rowid AS row, j.value FROM json_each(${JSON.stringify(outcomes)}) AS j
      CROSS JOIN job_files AS jf ON jf.job_id = ${jobId} AND jf.path = j.value ->> 'path'
        AND jf.generation = j.value ->> 'generation' AND jf.status = 'pending')
    UPDATE job_files SET status = o.value ->> 'status', reason = o.value ->> 'reason',
      message = o.value ->> 'message', chunks = o.value ->> 'chunks', embedded = o.value ->> 'embedded',
      reused = o.value ->> 'reused', tokens = o.value ->> 'tokens'
    FROM o WHERE job_files.rowid = o.row`);
}

/** By path, after `afterPath` where one is given. */
export function listJobFiles(
  db: Database,
  jobId: string,
  status: JobFileStatus | null,
  afterPath: string | null,
  limit: number,
) {
  return db
    .select()
    .from(jobFiles)
    .where(
      and(
        eq(jobFiles.jobId, jobId),
        status === null ? undefined : eq(jobFiles.status, status),
        afterPath === null ? undefined : gt(jobFiles.path, afterPath),
      ),
    )
    .orderBy(asc(jobFiles.path))
    .limit(limit);
}

/** Files of the job that are still to be done, with the sizes of those that still stand as they were accepted. */
export function selectPendingFiles(
  db: Database,
  workspaceId: string,
  jobId: string,
  afterPath: string,
  limit: number,
) {
  return db.all<{ path: string; generation: number; size: number }>(sql`
    SELECT jf.path, jf.generation, coalesce(f.size, 0) AS size FROM job_files AS jf
    LEFT JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = jf.path
    WHERE jf.job_id = ${jobId} AND jf.status = 'pending' AND jf.path > ${afterPath}
    ORDER BY jf.path LIMIT ${limit}`);
}
