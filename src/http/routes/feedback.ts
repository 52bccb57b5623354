import { z } from "@hono/zod-openapi";
import { LIMITS } from "../../core/limits.ts";
import { type FeedbackRow, selectFeedback } from "../../db/feedback.ts";
import { giveFeedback } from "../../search/feedback.ts";
import { workspaceOf } from "../context.ts";
import { listOf, listQuery, readPage } from "../list.ts";
import { defineRoute } from "../route.ts";

const COMMENT_CHARACTERS = 2000;
const chunkId = z.string().min(1).max(100).meta({ example: "chk_5x3m0a7q9v2k8c4j6h1p0d3f5" });

const FeedbackRequestSchema = z
  .strictObject({
    chunk_id: chunkId,
    query: z
      .string()
      .min(1)
      .max(LIMITS.queryCharacters)
      .meta({ description: "What was searched for.", example: "where are retries configured?" }),
    rating: z.enum(["up", "down"]),
    comment: z.string().max(COMMENT_CHARACTERS).optional(),
  })
  .openapi("FeedbackRequest");

const FeedbackSchema = z
  .object({
    id: z.string(),
    chunk_id: z.string(),
    path: z.string().meta({ description: "Where the chunk stood when it was rated." }),
    start_line: z.int(),
    end_line: z.int(),
    query: z.string(),
    rating: z.enum(["up", "down"]),
    comment: z.string().nullable(),
    key_id: z.string(),
    created_at: z.iso.datetime(),
  })
  .openapi("Feedback");

function view(row: FeedbackRow) {
  return {
    id: row.id,
    chunk_id: row.chunkId,
    path: row.path,
    start_line: row.startLine,
    end_line: row.endLine,
    query: row.query,
    rating: row.rating,
    comment: row.comment,
    key_id: row.keyId,
    created_at: new Date(row.createdAt).toISOString(),
  };
}

export const feedbackRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/feedback",
    summary: "Rate a result",
    description: "Kept with the chunk's place, as its id ends with its next change.",
    tag: "Search",
    access: "search",
    limit: "default",
    body: { schema: FeedbackRequestSchema },
    responses: { 201: { description: "The feedback, as it was kept.", schema: FeedbackSchema } },
    async handle(c, { body }) {
      const { workspaceId, keyId } = workspaceOf(c);
      const row = await giveFeedback(
        c.get("services"),
        { workspaceId, keyId },
        { chunkId: body.chunk_id, query: body.query, rating: body.rating, comment: body.comment ?? null },
      );
      return c.json(view(row), 201);
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/feedback",
    summary: "Feedback, newest first",
    tag: "Search",
    access: "search",
    limit: "default",
    query: z.strictObject({ chunk_id: chunkId.optional(), ...listQuery }),
    responses: { 200: { description: "A page of feedback.", schema: listOf(FeedbackSchema) } },
    async handle(c, { query }) {
      const { workspaceId } = workspaceOf(c);
      const { db, cursors } = c.get("services");
      const wanted = query.chunk_id ?? null;
      const page = await readPage(cursors, ["feedback", workspaceId, wanted ?? ""], query, {
        read: (after, count) =>
          selectFeedback(db, workspaceId, wanted, after === null ? null : String(after[0]), count),
        positionOf: (row) => [row.id],
        view,
      });
      return c.json(page);
    },
  }),
];
