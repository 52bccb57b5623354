import { and, asc, eq, gt, isNotNull, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { files, jobs } from "./schema.ts";

/**
 * Those of the blobs that a file owns, and those that are noted as nobody's (`blob_garbage`). One statement: a blob that
 * changes hands meanwhile is in one of both.
 */
export function selectKnownBlobs(
  db: Database,
  workspaceId: string,
  prefix: string,
  blobs: readonly string[],
) {
  const named = sql`(SELECT value FROM json_each(${JSON.stringify(blobs)}))`;
  return db.all<{ blob: string; owned: number }>(sql`
    SELECT blob, 1 AS owned FROM files WHERE workspace_id = ${workspaceId} AND blob IN ${named}
    UNION ALL
    SELECT substr(key, ${prefix.length + 1}) AS blob, 0 AS owned FROM blob_garbage
    WHERE key IN (SELECT ${prefix} || value FROM json_each(${JSON.stringify(blobs)}))`);
}

/** How many files have content. One row: {count}. */
export function countBlobs(db: Database, workspaceId: string) {
  return db
    .select({ count: sql<number>`count(*)` })
    .from(files)
    .where(and(eq(files.workspaceId, workspaceId), isNotNull(files.blob)));
}

/** Files that have content, by path. */
export function selectContents(db: Database, workspaceId: string, afterPath: string, limit: number) {
  return db
    .select({ path: files.path, generation: files.generation, size: files.size, blob: files.blob })
    .from(files)
    .where(and(eq(files.workspaceId, workspaceId), isNotNull(files.blob), gt(files.path, afterPath)))
    .orderBy(asc(files.path))
    .limit(limit);
}

/** The file versions are to be done by the job, whatever it had found of them before. */
export function reopenJobFiles(
  db: Database,
  jobId: string,
  versions: readonly { path: string; generation: number }[],
) {
  return db.run(sql`
    INSERT INTO job_files (job_id, path, generation, status)
    SELECT ${jobId}, value ->> 'path', value ->> 'generation', 'pending'
    FROM json_each(${JSON.stringify(versions)}) WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ${jobId})
    ON CONFLICT (job_id, path) DO UPDATE
    SET generation = excluded.generation, status = 'pending', reason = NULL, message = NULL`);
}

/** Adds to what the receipt of a job that mends says; other members stay. */
export function addToRepair(db: Database, jobId: string, counts: Readonly<Record<string, number>>) {
  const sums = Object.entries(counts).map(
    ([name, count]) =>
      sql`${`$.${name}`}, coalesce(json_extract(${jobs.receipt}, ${`$.${name}`}), 0) + ${count}`,
  );
  return db.run(sql`
    UPDATE jobs SET receipt = json_set(coalesce(${jobs.receipt}, '{}'), ${sql.join(sums, sql`, `)})
    WHERE id = ${jobId}`);
}
