import { z } from "@hono/zod-openapi";
import { pathQuery } from "../../http/schemas/file.ts";
import { defineTool } from "../tool.ts";

interface FilesPage {
  items: { path: string; size: number; language: string; status: string; skip_reason: string | null }[];
  next_cursor: string | null;
}

export const listFiles = defineTool({
  name: "list_files",
  title: "List stored files",
  description:
    "Lists the files of the workspace, or of one folder and all below it, by path. Use it to learn the layout, or to " +
    "see whether a file is indexed or why it was skipped.",
  input: z.strictObject({
    path: pathQuery.optional(),
    limit: z.int().min(1).max(100).default(50),
    cursor: z.string().min(1).max(4096).optional(),
  }),
  output: z.object({
    files: z.array(
      z.object({
        path: z.string(),
        size: z.int(),
        language: z.string(),
        status: z.string(),
        skip_reason: z.string().nullable(),
      }),
    ),
    next_cursor: z.string().nullable(),
  }),
  async run(rest, query) {
    const { items, next_cursor: next } = await rest.json<FilesPage>("GET", "/v1/files", { query });
    const files = items.map(({ path, size, language, status, skip_reason }) => ({
      path,
      size,
      language,
      status,
      skip_reason,
    }));
    const lines = files.map(({ path, status, skip_reason: reason }) =>
      status === "indexed" ? path : `${path} (${status}${reason === null ? "" : `: ${reason}`})`,
    );
    if (files.length === 0) lines.push("No file is stored here.");
    if (next !== null) lines.push(`More: call again with the same path and cursor ${next}`);
    return { text: lines.join("\n"), structured: { files, next_cursor: next } };
  },
});
