import { eq } from "drizzle-orm";
import type { Database } from "./database.ts";
import { workspaces } from "./schema.ts";

export type WorkspaceRow = typeof workspaces.$inferSelect;

export function insertWorkspace(db: Database, workspace: typeof workspaces.$inferInsert) {
  return db.insert(workspaces).values(workspace).returning();
}

export function selectWorkspace(db: Database, id: string) {
  return db.select().from(workspaces).where(eq(workspaces.id, id)).limit(1);
}
