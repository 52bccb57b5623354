import { z } from "@hono/zod-openapi";
import { DevFlowError } from "../../core/errors.ts";
import { parsePath, parseSelector } from "../../core/path.ts";
import type { DeleteTarget } from "../../db/delete-files.ts";
import { deleteFiles } from "../../files/delete-files.ts";
import { fileInfo, fileText, pageOfFiles, storedFile } from "../../files/read-files.ts";
import { viewJob } from "../../indexing/job.ts";
import { entityTag, parseEntityTags } from "../conditional.ts";
import { workspaceOf } from "../context.ts";
import { listOf, listQuery } from "../list.ts";
import { defineRoute } from "../route.ts";
import {
  DeletedSchema,
  FileInfoSchema,
  FileSchema,
  fileBody,
  fileInfoBody,
  pathQuery,
} from "../schemas/file.ts";
import { JobAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";

const lineQuery = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, "A line number, from 1.")
  .transform(Number)
  .optional()
  .openapi({ type: "integer", minimum: 1 });

const DeleteRequestSchema = z.union([
  z.strictObject({ path: z.string().max(16_384), recursive: z.boolean().default(false) }),
  z.strictObject({ all: z.literal(true), confirm: z.string().max(100) }),
]);

export const fileRoutes = [
  defineRoute({
    method: "get",
    path: "/v1/files",
    summary: "Stored files, by path",
    tag: "Files",
    access: "search",
    limit: "poll",
    query: z.strictObject({ path: pathQuery.optional(), ...listQuery }),
    responses: { 200: { description: "A page of files.", schema: listOf(FileSchema) } },
    async handle(c, { query }) {
      const page = await pageOfFiles(c.get("services"), workspaceOf(c).workspaceId, {
        selector: parseSelector(query.path),
        limit: query.limit,
        cursor: query.cursor ?? null,
      });
      return c.json({ items: page.items.map(fileBody), next_cursor: page.nextCursor });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/files/info",
    summary: "One file and its symbols",
    tag: "Files",
    access: "search",
    limit: "poll",
    query: z.strictObject({ path: pathQuery }),
    responses: { 200: { description: "The file.", schema: FileInfoSchema } },
    async handle(c, { query }) {
      const { workspaceId } = workspaceOf(c);
      const { file, symbols } = await fileInfo(c.get("services"), workspaceId, parsePath(query.path));
      return c.json(fileInfoBody(file, symbols), 200, { etag: entityTag(file.sha256) });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/files/content",
    summary: "The text of a file, or of some of its lines",
    description:
      "Decoded to UTF-8. Lines are counted by LF and keep their ends; an `end_line` past the last line is the last " +
      "line. `ETag` is the SHA-256 of the stored bytes.",
    tag: "Files",
    access: "search",
    limit: "poll",
    query: z.strictObject({ path: pathQuery, start_line: lineQuery, end_line: lineQuery }),
    responses: {
      200: { description: "The text.", contentType: "text/plain" },
      304: { description: "The caller has this version." },
    },
    async handle(c, { query }) {
      const services = c.get("services");
      const known = parseEntityTags(c.req.header("if-none-match"), "if-none-match", "weak");
      const file = await storedFile(services, workspaceOf(c).workspaceId, parsePath(query.path));
      const etag = entityTag(file.sha256);
      if (known === "*" || known?.includes(file.sha256)) return c.body(null, 304, { etag });
      const range = { startLine: query.start_line ?? null, endLine: query.end_line ?? null };
      const text = await fileText(services, file, range);
      return c.body(text, 200, { "content-type": "text/plain; charset=utf-8", etag });
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/files/delete",
    summary: "Delete a file, a folder, or everything",
    description:
      "Up to 1,000 files at once, more by a job, whose `receipt` has the same counts. They are counted after the " +
      "fact, and deleted files are found by no search from then on.",
    tag: "Files",
    access: "index",
    limit: "index",
    body: { schema: DeleteRequestSchema },
    responses: {
      200: { description: "What is gone.", schema: DeletedSchema },
      202: { description: "The job; `Location` is where to follow it.", schema: JobAnswerSchema },
    },
    async handle(c, { body }) {
      const { workspaceId, keyId } = workspaceOf(c);
      const services = c.get("services");
      const caller = { workspaceId, keyId, requestId: c.get("requestId") };
      const result = await deleteFiles(services, caller, targetOf(body, workspaceId));
      if ("deleted" in result) return c.json(result, 200);
      const job = await viewJob(services, workspaceId, result.jobId);
      return c.json({ job: jobBody(job) }, 202, { location: jobLocation(job.id) });
    },
  }),
];

function targetOf(body: z.output<typeof DeleteRequestSchema>, workspaceId: string): DeleteTarget {
  if ("path" in body) {
    const path = parsePath(body.path);
    return body.recursive ? { below: path } : { file: path };
  }
  if (body.confirm === workspaceId) return { all: true };
  const message = "Give the id of this workspace, to confirm.";
  throw new DevFlowError("invalid_request", `/confirm: ${message}`, {
    errors: [{ pointer: "/confirm", message }],
  });
}
