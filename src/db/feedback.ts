import { and, desc, eq, lt } from "drizzle-orm";
import type { Database } from "./database.ts";
import { feedback } from "./schema.ts";

export type FeedbackRow = typeof feedback.$inferSelect;

export function insertFeedback(db: Database, row: FeedbackRow) {
  return db.insert(feedback).values(row);
}

/**
 * Newest first.
 * @param beforeId the last one of the page before, or null.
 */
export function selectFeedback(
  db: Database,
  workspaceId: string,
  chunkId: string | null,
  beforeId: string | null,
  limit: number,
) {
  return db
    .select()
    .from(feedback)
    .where(
      and(
        eq(feedback.workspaceId, workspaceId),
        chunkId === null ? undefined : eq(feedback.chunkId, chunkId),
        beforeId === null ? undefined : lt(feedback.id, beforeId),
      ),
    )
    .orderBy(desc(feedback.id))
    .limit(limit);
}
