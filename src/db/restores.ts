import { and, desc, eq, getTableColumns, is, lt, ne, sql } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { TableRow } from "./backup-tables.ts";
import type { Database } from "./database.ts";
import * as schema from "./schema.ts";
import { type BackupCounts, restores } from "./schema.ts";

export type RestoreRow = typeof restores.$inferSelect;

/** Stands before the digest of a restored key: no key has such a digest, so it opens nothing until it is enabled. */
const DISABLED = "disabled:";

/** Columns of each table, as this version of the Worker has them. */
export const COLUMNS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.values(schema)
    .filter((value) => is(value, SQLiteTable))
    .map((table) => [
      getTableConfig(table).name,
      new Set(Object.values(getTableColumns(table)).map(({ name }) => name)),
    ]),
);

export function selectRestore(db: Database, by: { id: string } | { jobId: string } | { manifest: string }) {
  const where =
    "id" in by
      ? eq(restores.id, by.id)
      : "jobId" in by
        ? eq(restores.jobId, by.jobId)
        : eq(restores.manifestSha256, by.manifest);
  return db.select().from(restores).where(where).limit(1);
}

/** The row, where the deployment holds nothing yet and nothing else is being restored. */
export function insertRestoreIfEmpty(
  db: Database,
  row: { id: string; manifestSha256: string; counts: BackupCounts; now: number },
) {
  return db.all<{ id: string }>(sql`
    INSERT INTO restores (id, status, manifest_sha256, counts, created_at)
    SELECT ${row.id}, 'receiving', ${row.manifestSha256}, ${JSON.stringify(row.counts)}, ${row.now}
    WHERE NOT EXISTS (SELECT 1 FROM workspaces) AND NOT EXISTS (SELECT 1 FROM files)
      AND NOT EXISTS (SELECT 1 FROM restores WHERE status = 'running')
    ON CONFLICT DO NOTHING RETURNING id`);
}

/** From receiving to restoring; no row comes back where it was begun already. */
export function beginRestore(db: Database, id: string, jobId: string) {
  return db.all<{ id: string }>(sql`
    UPDATE restores SET status = 'running', job_id = ${jobId}
    WHERE id = ${id} AND status = 'receiving'
      AND NOT EXISTS (SELECT 1 FROM workspaces) AND NOT EXISTS (SELECT 1 FROM files)
      AND NOT EXISTS (SELECT 1 FROM restores WHERE status = 'running')
    RETURNING id`);
}

export function advanceRestore(db: Database, id: string, part: number, counts: BackupCounts) {
  return db
    .update(restores)
    .set({ parts: part, counts })
    .where(and(eq(restores.id, id), eq(restores.status, "running"), eq(restores.parts, part - 1)))
    .returning({ id: restores.id });
}

export function endRestore(db: Database, id: string, error: string | null, now: number) {
  return db
    .update(restores)
    .set({ status: error === null ? "succeeded" : "failed", error, finishedAt: now })
    .where(and(eq(restores.id, id), eq(restores.status, "running")))
    .returning({ id: restores.id });
}

/** Restores that nobody works on, begun before the time; the newest first. */
export function selectIdleRestores(db: Database, beforeMs: number, limit: number) {
  return db
    .select({ id: restores.id, status: restores.status })
    .from(restores)
    .where(and(ne(restores.status, "running"), lt(restores.createdAt, beforeMs)))
    .orderBy(desc(restores.createdAt))
    .limit(limit);
}

export function deleteReceivingRestore(db: Database, id: string) {
  return db.delete(restores).where(and(eq(restores.id, id), eq(restores.status, "receiving")));
}

/** Rows as they stood; those that are there already are left, so that a part may be restored again. */
export function insertRows(db: Database, table: string, rows: readonly TableRow[]) {
  const columns = Object.keys(rows[0] ?? {}).map((column) => sql.identifier(column));
  const values = Object.keys(rows[0] ?? {}).map((column) => sql`value ->> ${`$."${column}"`}`);
  return db.run(sql`
    INSERT INTO ${sql.identifier(table)} (${sql.join(columns, sql`, `)})
    SELECT ${sql.join(values, sql`, `)} FROM json_each(${JSON.stringify(rows)}) WHERE true
    ON CONFLICT DO NOTHING`);
}

export function disabledDigest(digest: string): string {
  return `${DISABLED}${digest}`;
}

/** Lets restored keys in again: all of them, or a workspace's. Returns a row a key. */
export function enableRestoredKeys(db: Database, workspaceId: string | null) {
  return db.all<{ id: string }>(sql`
    UPDATE api_keys SET digest = substr(digest, ${DISABLED.length + 1})
    WHERE substr(digest, 1, ${DISABLED.length}) = ${DISABLED}
      AND ${workspaceId === null ? sql`true` : sql`workspace_id = ${workspaceId}`}
    RETURNING id`);
}

/** The workspace's job that indexes what is restored, unless it is there. */
export function insertIndexJob(db: Database, id: string, workspaceId: string, now: number) {
  return db.run(sql`
    INSERT INTO jobs (id, workspace_id, kind, status, spec, expanded, created_at, started_at, updated_at)
    VALUES (${id}, ${workspaceId}, 'index', 'running', '{"path":".","recursive":true}', 0, ${now}, ${now}, ${now})
    ON CONFLICT DO NOTHING`);
}

/** Numbers that were kept beside the files agree with them, and no change gets a generation that was given out. */
export function settleWorkspaces(db: Database) {
  return db.run(sql`
    UPDATE workspaces SET
      generation = max(generation,
        coalesce((SELECT max(generation) FROM files WHERE workspace_id = workspaces.id), 0),
        coalesce((SELECT max(generation) FROM tombstones WHERE workspace_id = workspaces.id), 0)),
      stored_files = (SELECT count(*) FROM files WHERE workspace_id = workspaces.id),
      stored_bytes = (SELECT coalesce(sum(size), 0) FROM files
        WHERE workspace_id = workspaces.id AND blob IS NOT NULL)`);
}

/** Rows in tables that a deployment begins without. One row: table → rows. */
export function countRestored(db: Database) {
  return db.all<Record<"workspaces" | "api_keys" | "tombstones" | "files" | "feedback", number>>(sql`
    SELECT (SELECT count(*) FROM workspaces) AS workspaces, (SELECT count(*) FROM api_keys) AS api_keys,
      (SELECT count(*) FROM tombstones) AS tombstones, (SELECT count(*) FROM files) AS files,
      (SELECT count(*) FROM feedback) AS feedback`);
}

export function selectWorkspaceIds(db: Database) {
  return db.all<{ id: string }>(sql`SELECT id FROM workspaces ORDER BY id`);
}
