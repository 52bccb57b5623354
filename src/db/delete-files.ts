import { type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import { blobKey } from "./blob-garbage.ts";
import type { Database } from "./database.ts";
import { selectedBy } from "./files.ts";
import { forgetQuotes } from "./idempotency.ts";
import { type JobSpec, jobs } from "./schema.ts";

/** What is to be deleted: one file, a file or folder with all below it, or everything. */
export type DeleteTarget = { file: string } | { below: string } | { all: true };

export interface Deletion {
  /** Unique: the batch's statements know by it whether the first one let them pass. */
  id: string;
  workspaceId: string;
  now: number;
  target: DeleteTarget | { paths: readonly string[] };
  /** Generation of a deletion that was accepted earlier: leaves alone what came later. Null takes the next one. */
  upToGeneration: number | null;
  /** At most so many files, by path. */
  limit: number;
  /** Notes each deleted file as pending in this job. */
  jobId: string | null;
}

/**
 * The statements of a deletion, for one batch. Results: [{generation}] of the deletion, or nothing for a workspace
 * that is being deleted; [{key}] of the blobs that nobody owns now; [{path, generation}] of the tombstones.
 */
export function deleteFiles(db: Database, deletion: Deletion) {
  const { id, workspaceId, now, target, limit, jobId } = deletion;
  const doomed = sql`(SELECT path FROM files WHERE workspace_id = ${workspaceId} AND ${condition(target)}
    AND generation <= ${deletion.upToGeneration ?? Number.MAX_SAFE_INTEGER} ORDER BY path LIMIT ${limit})`;
  const generation = deletion.upToGeneration;
  const admitted = sql`SELECT id, ${generation ?? sql`generation`} AS generation FROM workspaces WHERE id = ${workspaceId} AND last_change = ${id}`;
  const statements = [
    db.all<{ generation: number }>(sql`
      UPDATE workspaces SET generation = workspaces.generation + ${generation === null ? 1 : 0},
        last_change = ${id}, stored_files = stored_files - d.files, stored_bytes = stored_bytes - d.bytes
      FROM (SELECT count(*) AS files, coalesce(sum(iif(blob IS NULL, 0, size)), 0) AS bytes FROM files
        WHERE workspace_id = ${workspaceId} AND path IN ${doomed}) AS d
      WHERE id = ${workspaceId} AND deleted_at IS NULL RETURNING workspaces.generation AS generation`),
    db.all<{ key: string }>(sql`
      INSERT INTO blob_garbage (key, workspace_id, created_at)
      SELECT ${blobKey(workspaceId, "")} || f.blob, w.id, ${now} FROM (${admitted}) AS w
      JOIN files AS f ON f.workspace_id = w.id AND f.path IN ${doomed} WHERE f.blob IS NOT NULL
      ON CONFLICT (key) DO UPDATE SET created_at = created_at RETURNING key`),
    db.all<{ path: string; generation: number }>(sql`
      INSERT INTO tombstones (workspace_id, path, generation, deleted_at, settled_at)
      SELECT w.id, f.path, w.generation, ${now}, NULL FROM (${admitted}) AS w
      JOIN files AS f ON f.workspace_id = w.id AND f.path IN ${doomed} WHERE true
      ON CONFLICT (workspace_id, path) DO UPDATE
      SET generation = excluded.generation, deleted_at = excluded.deleted_at, settled_at = NULL
      RETURNING path, generation`),
    ...(jobId === null
      ? []
      : [
          db.run(sql`
            INSERT INTO job_files (job_id, path, generation, status)
            SELECT ${jobId}, f.path, w.generation, 'pending' FROM (${admitted}) AS w
            JOIN files AS f ON f.workspace_id = w.id AND f.path IN ${doomed} WHERE true
            ON CONFLICT (job_id, path) DO UPDATE SET generation = excluded.generation, status = 'pending'`),
        ]),
    ...(generation === null ? [buryFolder(db, workspaceId, target, now)] : []),
    db.run(sql`DELETE FROM files WHERE workspace_id = ${workspaceId} AND path IN ${doomed}
      AND EXISTS (${admitted})`),
    forgetQuotes(db, workspaceId),
  ];
  return statements as unknown as [BatchItem<"sqlite">, ...BatchItem<"sqlite">[]];
}

/**
 * Remembers that a whole folder was deleted, under its name with a slash (`/` is the workspace): an archive that was
 * accepted before must not bring files of it back when it is unpacked later. Nothing is derived from a folder, so it
 * is settled at once.
 */
export function buryFolder(db: Database, workspaceId: string, target: Deletion["target"], now: number) {
  const folder = "all" in target ? "/" : "below" in target ? `${target.below}/` : null;
  return db.run(sql`
    INSERT INTO tombstones (workspace_id, path, generation, deleted_at, settled_at)
    SELECT id, ${folder}, generation, ${now}, ${now} FROM workspaces
    WHERE id = ${workspaceId} AND ${folder} IS NOT NULL
    ON CONFLICT (workspace_id, path) DO UPDATE
    SET generation = excluded.generation, deleted_at = excluded.deleted_at, settled_at = excluded.settled_at`);
}

function condition(target: Deletion["target"]): SQL {
  if ("paths" in target) return sql`path IN (SELECT value FROM json_each(${JSON.stringify(target.paths)}))`;
  if ("file" in target) return sql`path = ${target.file}`;
  return selectedBy("below" in target ? target.below : null) ?? sql`true`;
}

/** Adds to the counts of a job's receipt. */
export function addToReceipt(db: Database, jobId: string, counts: Record<string, number>, now: number) {
  const sums = Object.entries(counts).map(
    ([name, count]) => sql`${name}, coalesce(json_extract(${jobs.receipt}, ${`$.${name}`}), 0) + ${count}`,
  );
  return db.run(sql`
    UPDATE jobs SET receipt = json_object(${sql.join(sums, sql`, `)}), updated_at = ${now} WHERE id = ${jobId}`);
}

/** A job for what an interrupted deletion left to do: its files are noted already as gone. */
export function insertDeleteJob(
  db: Database,
  job: {
    id: string;
    workspaceId: string;
    keyId: string | null;
    requestId: string | null;
    spec: JobSpec;
    now: number;
  },
  deleted: readonly { path: string; generation: number }[],
) {
  return [
    db.insert(jobs).values({
      id: job.id,
      workspaceId: job.workspaceId,
      keyId: job.keyId,
      requestId: job.requestId,
      kind: "delete",
      status: "queued",
      spec: job.spec,
      expanded: true,
      createdAt: job.now,
      updatedAt: job.now,
    }),
    db.run(sql`
      INSERT INTO job_files (job_id, path, generation, status)
      SELECT ${job.id}, value ->> 'path', value ->> 'generation', 'pending'
      FROM json_each(${JSON.stringify(deleted)})`),
  ] as const;
}
