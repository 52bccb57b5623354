import { and, asc, eq, gt, inArray, or, type SQL, sql } from "drizzle-orm";
import { below } from "../core/path.ts";
import type { Database } from "./database.ts";
import { files } from "./schema.ts";

export type FileRow = typeof files.$inferSelect;

/** The file, or all files below the folder; null selects the whole workspace. By range: LIKE stops at 50 bytes. */
export function selectedBy(selector: string | null): SQL | undefined {
  if (selector === null) return undefined;
  const { from, to } = below(selector);
  return or(eq(files.path, selector), sql`(${files.path} >= ${from} AND ${files.path} < ${to})`);
}

/** The rows of those paths that have one; any number of paths in one parameter. */
export function selectFiles(db: Database, workspaceId: string, paths: readonly string[]) {
  return db
    .select()
    .from(files)
    .where(
      and(
        eq(files.workspaceId, workspaceId),
        inArray(files.path, sql`(SELECT value FROM json_each(${JSON.stringify(paths)}))`),
      ),
    );
}

export function selectFile(db: Database, workspaceId: string, path: string) {
  return db
    .select()
    .from(files)
    .where(and(eq(files.workspaceId, workspaceId), eq(files.path, path)))
    .limit(1);
}

/** A page by path (in the order of UTF-8 bytes), after `afterPath` where one is given. */
export function listFiles(
  db: Database,
  workspaceId: string,
  selector: string | null,
  afterPath: string | null,
  limit: number,
) {
  return db
    .select()
    .from(files)
    .where(
      and(
        eq(files.workspaceId, workspaceId),
        selectedBy(selector),
        afterPath === null ? undefined : gt(files.path, afterPath),
      ),
    )
    .orderBy(asc(files.path))
    .limit(limit);
}

/** How many files the selector names, counted up to `cap`. */
export function countSelected(db: Database, workspaceId: string, selector: string | null, cap: number) {
  const selected = db
    .select({ path: files.path })
    .from(files)
    .where(and(eq(files.workspaceId, workspaceId), selectedBy(selector)))
    .limit(cap)
    .as("selected");
  return db.select({ count: sql<number>`count(*)` }).from(selected);
}

/** Files that wait for the index, and when one was last indexed. */
export function selectFileTotals(db: Database, workspaceId: string) {
  return db
    .select({
      pending: sql<number>`count(*) FILTER (WHERE ${files.status} = 'pending')`,
      lastIndexedAt: sql<number | null>`max(${files.indexedAt})`,
    })
    .from(files)
    .where(eq(files.workspaceId, workspaceId));
}
