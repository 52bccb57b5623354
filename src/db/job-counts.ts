import { and, eq, inArray, isNotNull, type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { type JobFileCount, jobFiles, jobs } from "./schema.ts";

/** What the files of a job add up to, a row for each job and status. */
export interface JobCount extends JobFileCount {
  jobId: string;
}

/** To be asked for jobs that are not over: the others have their counts in their rows. */
export function countJobFiles(db: Database, jobIds: readonly string[]) {
  return db
    .select({
      jobId: jobFiles.jobId,
      status: jobFiles.status,
      files: sql<number>`count(*)`,
      chunks: sql<number>`sum(${jobFiles.chunks})`,
      embedded: sql<number>`sum(${jobFiles.embedded})`,
      reused: sql<number>`sum(${jobFiles.reused})`,
      tokens: sql<number>`sum(${jobFiles.tokens})`,
    })
    .from(jobFiles)
    .where(inArray(jobFiles.jobId, sql`(SELECT value FROM json_each(${JSON.stringify(jobIds)}))`))
    .groupBy(jobFiles.jobId, jobFiles.status);
}

/** The job's counts as its row is to keep them from its end on: nobody adds up 100,000 files at each look. */
export function countsOf(jobId: string): SQL {
  return sql`(SELECT json_group_array(json_object('status', status, 'files', files, 'chunks', chunks,
      'embedded', embedded, 'reused', reused, 'tokens', tokens))
    FROM (SELECT status, count(*) AS files, sum(chunks) AS chunks, sum(embedded) AS embedded,
      sum(reused) AS reused, sum(tokens) AS tokens FROM job_files WHERE job_id = ${jobId} GROUP BY status))`;
}

/** Counts an ended job anew: a message that was under way when it was cancelled still writes what it has done. */
export function recountEndedJob(db: Database, id: string) {
  return db
    .update(jobs)
    .set({ counts: countsOf(id) })
    .where(and(eq(jobs.id, id), isNotNull(jobs.counts)));
}
