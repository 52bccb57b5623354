import { z } from "@hono/zod-openapi";
import { workspaceStats } from "../../files/stats.ts";
import { workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";

const StatsSchema = z
  .object({
    files: z.int(),
    chunks: z.int(),
    vectors: z.int(),
    bytes: z.int(),
    languages: z.record(z.string(), z.int()).meta({ description: "Indexed files of each language." }),
    embedding: z.object({ model: z.string(), dimensions: z.int() }),
    last_indexed_at: z.iso.datetime().nullable(),
    pending_files: z.int(),
  })
  .openapi("Stats");

export const statsRoutes = [
  defineRoute({
    method: "get",
    path: "/v1/stats",
    summary: "What the workspace holds",
    tag: "Files",
    access: "workspace",
    limit: "poll",
    responses: { 200: { description: "Counts, each from the store that it is of.", schema: StatsSchema } },
    async handle(c) {
      const stats = await workspaceStats(c.get("services"), workspaceOf(c).workspaceId);
      return c.json({
        files: stats.files,
        chunks: stats.chunks,
        vectors: stats.vectors,
        bytes: stats.bytes,
        languages: stats.languages,
        embedding: stats.embedding,
        last_indexed_at: stats.lastIndexedAt === null ? null : new Date(stats.lastIndexedAt).toISOString(),
        pending_files: stats.pendingFiles,
      });
    },
  }),
];
