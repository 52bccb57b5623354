import { DevFlowError } from "../core/errors.ts";
import { newTimeId } from "../core/ids.ts";
import type { WorkspaceIndex } from "../core/ports.ts";
import type { Database } from "../db/database.ts";
import { type FeedbackRow, insertFeedback } from "../db/feedback.ts";

export interface FeedbackDeps {
  db: Database;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  now(): number;
}

export interface Feedback {
  chunkId: string;
  query: string;
  rating: "up" | "down";
  comment: string | null;
}

/** Keeps what a user said of a result, with the place that it had. Errors: `not_found` for a chunk that is not there. */
export async function giveFeedback(
  deps: FeedbackDeps,
  author: { workspaceId: string; keyId: string },
  { chunkId, query, rating, comment }: Feedback,
): Promise<FeedbackRow> {
  const [chunk] = await deps.workspaceIndex(author.workspaceId).chunks([chunkId]);
  if (chunk === undefined) {
    throw new DevFlowError(
      "not_found",
      "No chunk of this workspace has that id; search again for the current one.",
    );
  }
  const now = deps.now();
  const row: FeedbackRow = {
    id: newTimeId("fbk", now),
    workspaceId: author.workspaceId,
    chunkId,
    path: chunk.path,
    startLine: chunk.startLine,
    endLine: chunk.endLine,
    query,
    rating,
    comment,
    keyId: author.keyId,
    createdAt: now,
  };
  await insertFeedback(deps.db, row);
  return row;
}
