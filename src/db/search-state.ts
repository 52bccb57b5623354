import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { workspaces } from "./schema.ts";
import { standing } from "./workspaces.ts";

/**
 * What a search has to know beside the index: the workspace, unless it is being deleted, and how many of its files
 * wait to be indexed, counted by an index that holds only as many entries as it counts.
 */
export function selectSearchState(db: Database, workspaceId: string) {
  return db
    .select({
      workspace: workspaces,
      pending: sql<number>`(SELECT count(*) FROM files f WHERE f.workspace_id = ${workspaceId} AND f.status = 'pending')`,
    })
    .from(workspaces)
    .where(standing(workspaceId))
    .limit(1);
}
