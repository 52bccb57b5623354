import { and, eq, isNull } from "drizzle-orm";
import type { Database } from "./database.ts";
import { type Before, newestFirst, olderThan } from "./newest-first.ts";
import { workspaces } from "./schema.ts";

export type WorkspaceRow = typeof workspaces.$inferSelect;

export function insertWorkspace(db: Database, workspace: typeof workspaces.$inferInsert) {
  return db.insert(workspaces).values(workspace).returning();
}

/** The workspace, unless it is being deleted. */
export function selectWorkspace(db: Database, id: string) {
  return db.select().from(workspaces).where(standing(id)).limit(1);
}

/** Newest first, without those that are being deleted. `before`: the last one of the page before. */
export function selectWorkspaces(db: Database, before: Before | null, limit: number) {
  return db
    .select()
    .from(workspaces)
    .where(and(isNull(workspaces.deletedAt), olderThan(workspaces, before)))
    .orderBy(...newestFirst(workspaces))
    .limit(limit);
}

export function updateWorkspace(
  db: Database,
  id: string,
  change: Partial<Pick<WorkspaceRow, "name" | "monthlyTokenBudget" | "maxFiles" | "maxBytes">>,
) {
  return db.update(workspaces).set(change).where(standing(id)).returning();
}

/** The workspace, also while it is being deleted. */
export function selectAnyWorkspace(db: Database, id: string) {
  return db.select().from(workspaces).where(eq(workspaces.id, id)).limit(1);
}

/** From here on its keys are refused and nothing of it is found; the job of that name erases it. */
export function markWorkspaceDeleted(db: Database, id: string, now: number) {
  return db.update(workspaces).set({ deletedAt: now }).where(standing(id));
}

/** The condition that the workspace is not being deleted. */
export function standing(id: string) {
  return and(eq(workspaces.id, id), isNull(workspaces.deletedAt));
}
