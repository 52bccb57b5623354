import { eq } from "drizzle-orm";
import type { Database } from "./database.ts";
import { apiKeys, workspaces } from "./schema.ts";

/** The key with this digest, and its workspace: one row or none. */
export function selectKeyByDigest(db: Database, digest: string) {
  return db
    .select({ key: apiKeys, workspace: workspaces })
    .from(apiKeys)
    .innerJoin(workspaces, eq(workspaces.id, apiKeys.workspaceId))
    .where(eq(apiKeys.digest, digest))
    .limit(1);
}

export function insertKey(db: Database, key: typeof apiKeys.$inferInsert) {
  return db.insert(apiKeys).values(key);
}
