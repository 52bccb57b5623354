import { and, asc, eq, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import { blobKey } from "./blob-garbage.ts";
import type { Database } from "./database.ts";
import { selectedBy } from "./files.ts";
import { runningJobs } from "./jobs.ts";
import { files, type JobSpec, type SyncFileKind, syncFiles, syncs } from "./schema.ts";

export type SyncRow = typeof syncs.$inferSelect;
export type SyncFileRow = typeof syncFiles.$inferSelect;

/** A stored file, as a plan looks at it. */
export interface StoredVersion {
  path: string;
  sha256: string;
  size: number;
  generation: number;
  status: string;
  skipReason: string | null;
  blob: string | null;
}

/** A page of the stored files that the selector names, by path. */
export function selectStoredVersions(
  db: Database,
  workspaceId: string,
  selector: string | null,
  afterPath: string,
  limit: number,
) {
  return db
    .select({
      path: files.path,
      sha256: files.sha256,
      size: files.size,
      generation: files.generation,
      status: files.status,
      skipReason: files.skipReason,
      blob: files.blob,
    })
    .from(files)
    .where(and(eq(files.workspaceId, workspaceId), selectedBy(selector), sql`${files.path} > ${afterPath}`))
    .orderBy(asc(files.path))
    .limit(limit);
}

export function insertSync(db: Database, sync: typeof syncs.$inferInsert) {
  return db.insert(syncs).values(sync);
}

/** What a plan is to do with one file. */
export interface PlannedFile {
  path: string;
  kind: SyncFileKind;
  from: string | null;
  sha256: string | null;
  size: number;
}

export function insertSyncFiles(
  db: Database,
  syncId: string,
  workspaceId: string,
  planned: readonly PlannedFile[],
) {
  return db.run(sql`
    INSERT INTO sync_files (sync_id, workspace_id, path, kind, state, from_path, sha256, size)
    SELECT ${syncId}, ${workspaceId}, value ->> 'path', value ->> 'kind', 'planned', value ->> 'from',
      value ->> 'sha256', value ->> 'size'
    FROM json_each(${JSON.stringify(planned)})`);
}

/** Those of a key's bucket alone: to others there is no such sync. */
export function selectSync(db: Database, workspaceId: string, bucketId: string, id: string) {
  return db
    .select()
    .from(syncs)
    .where(and(eq(syncs.id, id), eq(syncs.workspaceId, workspaceId), eq(syncs.bucketId, bucketId)))
    .limit(1);
}

export function selectSyncOfJob(db: Database, workspaceId: string, jobId: string) {
  return db
    .select()
    .from(syncs)
    .where(and(eq(syncs.jobId, jobId), eq(syncs.workspaceId, workspaceId)))
    .limit(1);
}

/** Uploads that the plan still waits for; at the path, or at any. One row: {waits: 0 | 1}. */
export function selectWaits(db: Database, syncId: string, path: string | null) {
  const at = path === null ? sql`true` : sql`path = ${path}`;
  return db.all<{ waits: number }>(sql`
    SELECT EXISTS (SELECT 1 FROM sync_files WHERE sync_id = ${syncId} AND kind IN ('upload', 'rename', 'copy')
      AND state = 'planned' AND ${at}) AS waits`);
}

export interface UploadedVersion {
  path: string;
  sha256: string;
  size: number;
}

/** Charges uploads to the plan, each that it names and still waits for, once. Returns [{path}] of those. */
export function claimUploads(db: Database, syncId: string, versions: readonly UploadedVersion[]) {
  return db.all<{ path: string }>(sql`
    UPDATE sync_files SET state = 'uploaded' WHERE rowid IN (
      SELECT s.rowid FROM json_each(${JSON.stringify(versions)}) AS v
      CROSS JOIN sync_files AS s ON s.sync_id = ${syncId} AND s.path = v.value ->> 'path'
      WHERE s.kind IN ('upload', 'rename', 'copy') AND s.state = 'planned'
        AND s.sha256 = v.value ->> 'sha256' AND s.size = v.value ->> 'size')
    RETURNING path`);
}

/** Gives back what an upload that failed was charged. */
export function releaseUploads(db: Database, syncId: string, paths: readonly string[]) {
  return db.run(sql`
    UPDATE sync_files SET state = 'planned' WHERE sync_id = ${syncId} AND state = 'uploaded'
      AND path IN (SELECT value FROM json_each(${JSON.stringify(paths)}))`);
}

/**
 * Makes the job of a sync where there is none yet and the workspace has room for it. Its files come with the uploads,
 * so it stays open until the commit was carried out.
 */
export function insertSyncJob(
  db: Database,
  job: {
    id: string;
    workspaceId: string;
    keyId: string;
    requestId: string;
    spec: JobSpec;
    now: number;
    maxOpen: number;
  },
) {
  return db.run(sql`
    INSERT INTO jobs (id, workspace_id, key_id, request_id, kind, status, spec, expanded, created_at, updated_at)
    SELECT ${job.id}, id, ${job.keyId}, ${job.requestId}, 'sync', 'queued', ${JSON.stringify(job.spec)}, 0,
      ${job.now}, ${job.now}
    FROM workspaces WHERE id = ${job.workspaceId} AND deleted_at IS NULL
      AND ${runningJobs(job.workspaceId)} < ${job.maxOpen}
    ON CONFLICT (id) DO NOTHING`);
}

/**
 * Planned files whose content is neither uploaded nor to be had by a rename or copy. Two results: up to `limit` paths,
 * and [{count}].
 */
export function selectUploadsMissing(db: Database, sync: SyncRow, limit: number) {
  const at = (path: ReturnType<typeof sql>) =>
    sql`SELECT 1 FROM files AS f WHERE f.workspace_id = ${sync.workspaceId} AND f.path = ${path}
      AND f.sha256 = s.sha256`;
  const missing = sql`FROM sync_files AS s WHERE s.sync_id = ${sync.id} AND s.state = 'planned'
    AND s.kind IN ('upload', 'rename', 'copy') AND NOT EXISTS (${at(sql`s.path`)})
    AND (s.kind = 'upload' OR NOT EXISTS (${at(sql`s.from_path`)} AND f.blob IS NOT NULL
      AND (s.kind = 'copy' OR f.generation <= ${sync.generation})))`;
  return [
    db.all<{ path: string }>(sql`SELECT s.path ${missing} ORDER BY s.path LIMIT ${limit}`),
    db.all<{ count: number }>(sql`SELECT count(*) AS count ${missing}`),
  ] as const;
}

/** Commits an open sync; no row comes back where it was committed or has expired. */
export function commitSync(db: Database, id: string, deleteMissing: boolean, now: number) {
  return db
    .update(syncs)
    .set({ committedAt: now, deleteMissing })
    .where(and(eq(syncs.id, id), isNull(syncs.committedAt), sql`${syncs.expiresAt} > ${now}`))
    .returning({ id: syncs.id });
}

/** Files of a sync in one state, a page at a time: those that are done leave it. */
export function selectSyncFiles(
  db: Database,
  syncId: string,
  kind: SyncFileKind,
  state: "planned" | "uploaded" | "moved",
  limit: number,
) {
  return db
    .select()
    .from(syncFiles)
    .where(and(eq(syncFiles.syncId, syncId), eq(syncFiles.kind, kind), eq(syncFiles.state, state)))
    .orderBy(asc(syncFiles.path))
    .limit(limit);
}

export function countSyncFiles(db: Database, syncId: string) {
  return db
    .select({ kind: syncFiles.kind, state: syncFiles.state, count: sql<number>`count(*)` })
    .from(syncFiles)
    .where(eq(syncFiles.syncId, syncId))
    .groupBy(syncFiles.kind, syncFiles.state);
}

export function finishSyncFiles(db: Database, syncId: string, paths: readonly string[]) {
  return db.run(sql`
    UPDATE sync_files SET state = 'done' WHERE sync_id = ${syncId}
      AND path IN (SELECT value FROM json_each(${JSON.stringify(paths)}))`);
}

export interface Move {
  /** Unique: the batch's statements know by it that they belong together. */
  id: string;
  sync: SyncRow;
  now: number;
  renames: readonly { from: string; to: string; sha256: string; language: string }[];
}

/**
 * Moves the rows of renamed files, for one batch; their blobs go with them. A rename whose file has changed since the
 * plan, or whose new path has, is left alone: what came later wins. What stood at the new path is replaced.
 * The result at `MOVED` is [{path, generation, size}] of the files that are to be indexed under their new paths.
 */
export function moveFiles(db: Database, { id, sync, now, renames }: Move) {
  const { workspaceId, jobId } = sync;
  const admitted = sql`SELECT id, generation FROM workspaces WHERE id = ${workspaceId} AND last_change = ${id}`;
  const wanted = sql`(SELECT value ->> 'from' AS "from", value ->> 'to' AS "to", value ->> 'sha256' AS sha256,
    value ->> 'language' AS language FROM json_each(${JSON.stringify(renames)}))`;
  const movable = sql`FROM ${wanted} AS r
    CROSS JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = r."from" AND f.sha256 = r.sha256
      AND f.blob IS NOT NULL AND f.generation <= ${sync.generation}
    LEFT JOIN files AS t ON t.workspace_id = ${workspaceId} AND t.path = r."to"
    WHERE coalesce(t.generation <= ${sync.generation}, true)`;
  const targets = sql`SELECT r."to" ${movable}`;
  // What this batch has moved.
  const moved = sql`(${admitted}) AS w CROSS JOIN ${wanted} AS r CROSS JOIN sync_files AS s
    ON s.sync_id = ${sync.id} AND s.path = r."to" AND s.state = 'moved' AND s.generation = w.generation`;
  const statements = [
    db.run(sql`
      UPDATE workspaces SET generation = workspaces.generation + 1, last_change = ${id},
        stored_files = stored_files - d.files, stored_bytes = stored_bytes - d.bytes
      FROM (SELECT count(t.path) AS files, coalesce(sum(iif(t.blob IS NULL, 0, t.size)), 0) AS bytes ${movable}) AS d
      WHERE id = ${workspaceId} AND deleted_at IS NULL`),
    db.run(sql`
      INSERT INTO blob_garbage (key, workspace_id, created_at)
      SELECT ${blobKey(workspaceId, "")} || t.blob, ${workspaceId}, ${now} ${movable} AND t.blob IS NOT NULL
        AND EXISTS (${admitted})
      ON CONFLICT (key) DO NOTHING`),
    // Before the rows move, as they are found by where they stand.
    db.run(sql`
      UPDATE sync_files SET state = 'moved', generation = w.generation
      FROM (${admitted}) AS w
      WHERE sync_id = ${sync.id} AND kind = 'rename' AND state = 'planned' AND path IN (${targets})`),
    db.run(sql`
      DELETE FROM files WHERE workspace_id = ${workspaceId} AND path IN (
        SELECT s.path FROM ${moved})`),
    db.run(sql`
      WITH r AS MATERIALIZED (SELECT f.rowid AS row, s.path, s.generation, r.language FROM ${moved}
        CROSS JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = s.from_path)
      UPDATE files SET path = r.path, language = r.language, generation = r.generation, status = 'pending',
        skip_reason = NULL, error = NULL, updated_at = ${now}
      FROM r WHERE files.rowid = r.row`),
    db.run(sql`
      INSERT INTO job_files (job_id, path, generation, status)
      SELECT ${jobId}, s.path, s.generation, 'pending' FROM ${moved} WHERE true ON CONFLICT (job_id, path) DO UPDATE
      SET generation = excluded.generation, status = 'pending', reason = NULL, message = NULL`),
    db.all<{ path: string; generation: number; size: number }>(sql`
      SELECT f.path, f.generation, f.size FROM ${moved}
      CROSS JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = s.path`),
    // What could not be moved is over.
    db.run(sql`
      UPDATE sync_files SET state = 'done' WHERE sync_id = ${sync.id} AND kind = 'rename' AND state = 'planned'
        AND path IN (SELECT "to" FROM ${wanted}) AND EXISTS (${admitted})`),
  ];
  return statements as unknown as [BatchItem<"sqlite">, ...BatchItem<"sqlite">[]];
}

/** Where `moveFiles` has its answer. */
export const MOVED = 6;

/** Old paths of moved files: deletions of the generation that the move took. */
export function buryMoved(
  db: Database,
  workspaceId: string,
  moved: readonly { path: string; generation: number }[],
  now: number,
) {
  return db.run(sql`
    INSERT INTO tombstones (workspace_id, path, generation, deleted_at, settled_at)
    SELECT ${workspaceId}, value ->> 'path', value ->> 'generation', ${now}, NULL
    FROM json_each(${JSON.stringify(moved)}) WHERE true
    ON CONFLICT (workspace_id, path) DO UPDATE
    SET generation = excluded.generation, deleted_at = excluded.deleted_at, settled_at = NULL
    WHERE tombstones.generation < excluded.generation`);
}

/** Files of the job that wait for the index, counted no further than `most`. One row: {waiting}. */
export function countWaitingFiles(db: Database, jobId: string, most: number) {
  return db.all<{ waiting: number }>(sql`
    SELECT count(*) AS waiting
    FROM (SELECT 1 FROM job_files WHERE job_id = ${jobId} AND status = 'pending' LIMIT ${most})`);
}

/** Plans that ended before the time: never committed, or committed. Oldest first, of all workspaces. */
export function selectEndedSyncs(db: Database, beforeMs: number, committed: boolean, limit: number) {
  return db
    .select({ id: syncs.id, workspaceId: syncs.workspaceId, jobId: syncs.jobId })
    .from(syncs)
    .where(
      and(
        lt(syncs.expiresAt, beforeMs),
        committed ? isNotNull(syncs.committedAt) : isNull(syncs.committedAt),
      ),
    )
    .orderBy(asc(syncs.expiresAt))
    .limit(limit);
}

/** Up to `limit` files of a sync; to be run until it deletes none. */
export function deleteSyncFiles(db: Database, syncId: string, limit: number) {
  return db.run(sql`
    DELETE FROM sync_files WHERE rowid IN (SELECT rowid FROM sync_files WHERE sync_id = ${syncId} LIMIT ${limit})`);
}

export function deleteSync(db: Database, id: string) {
  return db.delete(syncs).where(eq(syncs.id, id));
}
