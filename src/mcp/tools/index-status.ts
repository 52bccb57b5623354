import { z } from "@hono/zod-openapi";
import { defineTool } from "../tool.ts";

interface Stats {
  files: number;
  chunks: number;
  pending_files: number;
  last_indexed_at: string | null;
  languages: Record<string, number>;
  embedding: { model: string };
}

interface JobsPage {
  items: {
    id: string;
    kind: string;
    status: string;
    files: { total: number; done: number; failed: number };
  }[];
}

const UNFINISHED = new Set(["queued", "running", "paused"]);

export const indexStatus = defineTool({
  name: "index_status",
  title: "How fresh the index is",
  description:
    "Tells how many files and chunks are indexed, when the last change came in, what is still waiting, and which jobs " +
    "run. Use it when a search misses what should be there.",
  input: z.strictObject({}),
  output: z.object({
    files: z.int(),
    chunks: z.int(),
    pending_files: z.int(),
    last_indexed_at: z.string().nullable(),
    languages: z.record(z.string(), z.int()),
    embedding_model: z.string(),
    unfinished_jobs: z.array(
      z.object({ id: z.string(), kind: z.string(), status: z.string(), done: z.int(), total: z.int() }),
    ),
  }),
  async run(rest) {
    const [stats, jobs] = await Promise.all([
      rest.json<Stats>("GET", "/v1/stats"),
      rest.json<JobsPage>("GET", "/v1/jobs", { query: { limit: 20 } }),
    ]);
    const unfinished = jobs.items
      .filter(({ status }) => UNFINISHED.has(status))
      .map(({ id, kind, status, files }) => ({ id, kind, status, done: files.done, total: files.total }));
    const fresh = stats.pending_files === 0 && unfinished.length === 0 ? "up to date" : "still indexing";
    const lines = [
      `${fresh}: ${stats.files} files, ${stats.chunks} chunks, ${stats.pending_files} files pending; last change indexed ${stats.last_indexed_at ?? "never"}`,
      ...unfinished.map(
        ({ id, kind, status, done, total }) => `job ${id} (${kind}) ${status}: ${done} of ${total} files`,
      ),
    ];
    return {
      text: lines.join("\n"),
      structured: {
        files: stats.files,
        chunks: stats.chunks,
        pending_files: stats.pending_files,
        last_indexed_at: stats.last_indexed_at,
        languages: stats.languages,
        embedding_model: stats.embedding.model,
        unfinished_jobs: unfinished,
      },
    };
  },
});
