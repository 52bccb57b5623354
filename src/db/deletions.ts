import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/** A file that was deleted; a whole workspace where there is no path. */
export interface DeletionRow {
  workspaceId: string;
  path: string | null;
  /** Which the deletion took: rows of this one and earlier ones are deleted. */
  generation: number | null;
  /** Milliseconds. */
  deletedAt: number;
}

export type FileDeletion = DeletionRow & { path: string };

/** Deleted files, by the time of the deletion, behind the one that is given. */
export function selectFileDeletions(
  db: Database,
  page: { from: number; after: FileDeletion | null; limit: number },
) {
  const { after } = page;
  const behind =
    after === null
      ? sql`deleted_at >= ${page.from}`
      : sql`(deleted_at, workspace_id, path) > (${after.deletedAt}, ${after.workspaceId}, ${after.path})`;
  return db.all<FileDeletion>(sql`
    SELECT workspace_id AS workspaceId, path, generation, deleted_at AS deletedAt FROM tombstones
    WHERE ${behind} ORDER BY deleted_at, workspace_id, path LIMIT ${page.limit}`);
}

/** Deleted workspaces. */
export function selectWorkspaceDeletions(db: Database, from: number) {
  return db.all<DeletionRow>(sql`
    SELECT workspace_id AS workspaceId, NULL AS path, NULL AS generation, at AS deletedAt FROM security_events
    WHERE type = 'workspace_deleted' AND at >= ${from} AND workspace_id IS NOT NULL ORDER BY at LIMIT 1000`);
}
