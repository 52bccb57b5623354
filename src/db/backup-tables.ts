import { type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/** A table as it is backed up: by pages along `key`, in the archive's order. */
export interface BackedUpTable {
  name: string;
  /** Columns that its rows are paged by: unique, and never changed. */
  key: readonly string[];
  /** Rows that are written; all where it is left out. @param startedAt when the backup began (milliseconds). */
  which?(startedAt: number): SQL;
}

const known = (column: string) => (startedAt: number) =>
  sql`${sql.identifier(column)} IN (SELECT id FROM workspaces WHERE created_at <= ${startedAt} AND deleted_at IS NULL)`;

/** In this order: rows that others need come first. `files` is last, each page with its blobs and vectors. */
export const BACKED_UP: readonly BackedUpTable[] = [
  { name: "workspaces", key: ["id"], which: known("id") },
  { name: "api_keys", key: ["id"], which: known("workspace_id") },
  { name: "tombstones", key: ["workspace_id", "path"], which: known("workspace_id") },
  {
    name: "jobs",
    key: ["id"],
    which: () => sql`finished_at IS NOT NULL AND kind NOT IN ('backup', 'restore')`,
  },
  { name: "feedback", key: ["id"], which: known("workspace_id") },
  { name: "usage", key: ["workspace_id", "day", "key_id"], which: known("workspace_id") },
  { name: "key_networks", key: ["bucket_id", "network"] },
  { name: "security_events", key: ["id"], which: (startedAt) => sql`at <= ${startedAt}` },
  // Fingerprints of secrets belong to this deployment alone.
  { name: "attestations", key: ["name"], which: () => sql`name NOT LIKE 'secret:%'` },
  { name: "files", key: ["workspace_id", "path"], which: known("workspace_id") },
];

/** Tables that no backup holds, and why. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  blob_garbage: "objects of this deployment's bucket that are to be deleted",
  syncs: "plans, which end within an hour",
  sync_files: "plans, which end within an hour",
  job_files: "an ended job keeps its counts in its own row",
  idempotency: "answers, which are kept for a day",
  request_counts: "metrics of this deployment's answers",
  backups: "says where this deployment's archives are",
  backup_parts: "says where this deployment's archives are",
  restores: "says what was restored here",
};

export type TableRow = Record<string, string | number | null>;

/** Rows of the table behind the one whose key is given, in the order of the key. Columns as they are stored. */
export function selectTablePage(
  db: Database,
  { name, key, which }: BackedUpTable,
  page: { startedAt: number; after: readonly (string | number)[] | null; limit: number },
) {
  const list = (parts: SQL[]) => sql.join(parts, sql`, `);
  const columns = list(key.map((column) => sql`${sql.identifier(column)}`));
  const after =
    page.after === null ? sql`true` : sql`(${columns}) > (${list(page.after.map((value) => sql`${value}`))})`;
  return db.all<TableRow>(sql`
    SELECT * FROM ${sql.identifier(name)} WHERE ${after} AND ${which?.(page.startedAt) ?? sql`true`}
    ORDER BY ${columns} LIMIT ${page.limit}`);
}
