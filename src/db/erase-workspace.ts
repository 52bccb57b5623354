import { is, type SQL, sql } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database } from "./database.ts";
import * as schema from "./schema.ts";

/** Rows of one statement. */
const PAGE = 5_000;

/**
 * Tables that outlive a workspace, or go by a rule of their own: events are evidence and have their own retention;
 * `jobs` keeps the one that erased the workspace.
 */
const OWN_RULE: ReadonlySet<string> = new Set(["security_events", "blob_garbage", "jobs", "api_keys"]);

/** Every table whose rows name a workspace. Read from the schema, so that a new table cannot be forgotten. */
export const WORKSPACE_TABLES: readonly string[] = Object.values(schema)
  .filter((value) => is(value, SQLiteTable))
  .map((table) => getTableConfig(table))
  .filter(({ columns }) => columns.some(({ name }) => name === "workspace_id"))
  .map(({ name }) => name);

/** One page of the rows that are to go: `[table, which]`. */
type Rows = { table: string; where: SQL };

/** What is deleted, in this order: rows that others are found by come after those. */
function doomedRows(workspaceId: string, jobId: string, deletedAt: number): Rows[] {
  const own = sql`workspace_id = ${workspaceId}`;
  return [
    {
      table: "job_files",
      where: sql`job_id IN (SELECT id FROM jobs WHERE workspace_id = ${workspaceId} AND id <> ${jobId})`,
    },
    ...WORKSPACE_TABLES.filter((table) => !OWN_RULE.has(table)).map((table) => ({ table, where: own })),
    // An upload that was under way may still put its object: its note stays, and the cron deletes both.
    { table: "blob_garbage", where: sql`${own} AND created_at < ${deletedAt - UPLOAD_MS}` },
    { table: "jobs", where: sql`${own} AND id <> ${jobId}` },
    { table: "api_keys", where: own },
  ];
}

/** Longer than any upload lasts. */
const UPLOAD_MS = 15 * 60_000;

/** How many rows of the workspace there are, its own included. One row: {rows}. */
export function countWorkspaceRows(db: Database, workspaceId: string, jobId: string, deletedAt: number) {
  const counts = doomedRows(workspaceId, jobId, deletedAt).map(
    ({ table, where }) => sql`(SELECT count(*) FROM ${sql.identifier(table)} WHERE ${where})`,
  );
  return db.all<{ rows: number }>(sql`SELECT 1 + ${sql.join(counts, sql` + `)} AS rows`);
}

/** Statements to be run in order, each until it deletes nothing. All but the workspace's own row, and its job's. */
export function deleteWorkspaceRows(db: Database, workspaceId: string, jobId: string, deletedAt: number) {
  return doomedRows(workspaceId, jobId, deletedAt).map(({ table, where }) => {
    const name = sql.identifier(table);
    return () =>
      db.run(
        sql`DELETE FROM ${name} WHERE rowid IN (SELECT rowid FROM ${name} WHERE ${where} LIMIT ${PAGE})`,
      );
  });
}

/** The last row of a workspace. */
export function deleteWorkspaceRow(db: Database, workspaceId: string) {
  return db.run(sql`DELETE FROM workspaces WHERE id = ${workspaceId} AND deleted_at IS NOT NULL`);
}

/** Names of collections that its jobs were to delete. */
export function selectRetiredCollections(db: Database, workspaceId: string) {
  return db.all<{ name: string }>(sql`
    SELECT DISTINCT coalesce(spec ->> 'retiredCollection', spec ->> 'replacedCollection') AS name FROM jobs
    WHERE workspace_id = ${workspaceId} AND name IS NOT NULL`);
}

/** Keeps the first measure: an erasure that goes on would find less. */
export function writeReceiptOnce(db: Database, jobId: string, receipt: Record<string, number | string>) {
  return db.run(
    sql`UPDATE jobs SET receipt = ${JSON.stringify(receipt)} WHERE id = ${jobId} AND receipt IS NULL`,
  );
}
