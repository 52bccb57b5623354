import { and, eq, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { files } from "./schema.ts";

/** Files that wait to be indexed, counted by an index that holds only as many entries as it counts. */
export function countPendingFiles(db: Database, workspaceId: string) {
  return db
    .select({ pending: sql<number>`count(*)` })
    .from(files)
    .where(and(eq(files.workspaceId, workspaceId), eq(files.status, "pending")));
}
