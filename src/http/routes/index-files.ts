import { z } from "@hono/zod-openapi";
import { startIndex } from "../../indexing/start-index.ts";
import { workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";
import { JobAnswerSchema, JobOrNullAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";

const IndexRequestSchema = z.strictObject({
  path: z.string().max(4096).default("."),
  recursive: z.boolean().default(true),
  extensions: z
    .array(z.string().regex(/^\.?[^./\\\s]{1,32}$/, "Give an extension such as ts."))
    .max(100)
    .default([]),
  exclude_patterns: z.array(z.string().min(1).max(500)).max(100).default([]),
  max_file_size: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  force: z.boolean().default(false),
});

export const indexRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/index",
    summary: "Index stored files",
    description:
      "Without `force` it compares what is stored with what index, vectors and blobs really hold, and mends it; over " +
      "the whole workspace it also takes away what belongs to no file. The job's receipt says what was found: " +
      "`lost_chunks`, `lost_vectors`, `lost_contents`, `orphaned_chunks`, `orphaned_vectors`, `orphaned_blobs`. With `force` it indexes all selected files anew; over the " +
      "whole workspace it also moves to the configured embedding model, beside the one in use where that can still be asked.",
    tag: "Files",
    access: "index",
    limit: "index",
    body: { schema: IndexRequestSchema, optional: true },
    responses: {
      200: { description: "Nothing is left to do.", schema: JobOrNullAnswerSchema },
      202: { description: "The job; `Location` is where to follow it.", schema: JobAnswerSchema },
    },
    async handle(c, { body }) {
      const { workspaceId, keyId } = workspaceOf(c);
      const job = await startIndex(c.get("services"), {
        workspaceId,
        keyId,
        requestId: c.get("requestId"),
        spec: {
          path: body.path,
          recursive: body.recursive,
          extensions: body.extensions,
          excludePatterns: body.exclude_patterns,
          ...(body.max_file_size === undefined ? {} : { maxFileSize: body.max_file_size }),
          force: body.force,
        },
      });
      if (job === null) return c.json({ job: null }, 200);
      return c.json({ job: jobBody(job) }, 202, { location: jobLocation(job.id) });
    },
  }),
];
