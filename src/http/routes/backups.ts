import { z } from "@hono/zod-openapi";
import { startBackup } from "../../backup/create.ts";
import { readDeletions } from "../../backup/deletions.ts";
import { getBackup, openArchive, pageOfBackups } from "../../backup/view.ts";
import { DevFlowError } from "../../core/errors.ts";
import type { BackupRow } from "../../db/backups.ts";
import { viewDeploymentJob } from "../../indexing/job.ts";
import { listOf, listQuery } from "../list.ts";
import { defineRoute } from "../route.ts";
import { JobAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";

const PARAMS = z.object({ id: z.string().max(100) });

const BackupSchema = z
  .object({
    id: z.string(),
    job_id: z.string(),
    status: z.enum(["running", "succeeded", "failed"]),
    recipients: z.array(z.string()),
    refers_to: z
      .array(z.string())
      .meta({ description: "Backups whose archives a restore needs, too. Empty: this one is whole." }),
    parts: z.int(),
    bytes: z.int().nullable().meta({ description: "Of the file, once it is complete." }),
    counts: z
      .object({
        rows: z.record(z.string(), z.int()),
        blobs: z.int(),
        blob_bytes: z.int(),
        referred: z.int().meta({ description: "Blobs that are read from the archives of `refers_to`." }),
        vectors: z.int(),
      })
      .nullable(),
    manifest_sha256: z.string().nullable(),
    error: z.string().nullable(),
    created_at: z.iso.datetime(),
    finished_at: z.iso.datetime().nullable(),
  })
  .openapi("Backup");

export const backupRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/backups",
    summary: "Make a backup now",
    description:
      "Of the whole deployment, encrypted to BACKUP_RECIPIENTS. Blobs that an earlier backup holds are referred to, not copied, unless `whole`. One at a time; 503 where no recipient is set.",
    tag: "Operations",
    access: "root",
    limit: "default",
    body: {
      schema: z.strictObject({
        whole: z.boolean().default(false).meta({ description: "Copy every blob, refer to no other backup." }),
      }),
      optional: true,
    },
    responses: {
      202: { description: "The job; its receipt names the backup.", schema: JobAnswerSchema },
    },
    async handle(c, { body }) {
      const services = c.get("services");
      const { jobId } = await startBackup(services, { whole: body.whole, requestId: c.get("requestId") });
      const job = await viewDeploymentJob(services, jobId);
      return c.json({ job: jobBody(job) }, 202, { location: jobLocation(jobId) });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/backups",
    summary: "Backups, newest first",
    tag: "Operations",
    access: "root",
    limit: "poll",
    query: z.strictObject(listQuery),
    responses: { 200: { description: "A page of backups.", schema: listOf(BackupSchema) } },
    async handle(c, { query }) {
      const page = { limit: query.limit, cursor: query.cursor ?? null };
      const { items, nextCursor } = await pageOfBackups(c.get("services"), page);
      return c.json({ items: items.map(backupBody), next_cursor: nextCursor });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/backups/{id}",
    summary: "One backup",
    tag: "Operations",
    access: "root",
    limit: "poll",
    params: PARAMS,
    responses: { 200: { description: "The backup.", schema: BackupSchema } },
    async handle(c, { params }) {
      return c.json(backupBody(await getBackup(c.get("services"), params.id)));
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/backups/{id}/content",
    summary: "The encrypted file of a backup",
    description:
      "A tar of age files; see docs/backup-format.md. One `Range` of bytes is taken; `If-Range` too.",
    tag: "Operations",
    access: "root",
    limit: "default",
    params: PARAMS,
    responses: {
      200: { description: "The file.", contentType: "application/x-tar" },
      206: { description: "The range that was asked for.", contentType: "application/x-tar" },
    },
    async handle(c, { params }) {
      const services = c.get("services");
      const archive = await openArchive(services, params.id);
      const etag = `"${archive.etag}"`;
      const condition = c.req.header("if-range");
      const asked = condition === undefined || condition === etag ? c.req.header("range") : undefined;
      const range = byteRange(asked, archive.bytes);
      const [start, length] = range ?? [0, archive.bytes];
      const headers = {
        "content-type": "application/x-tar",
        "content-disposition": `attachment; filename="${params.id}.tar"`,
        "content-length": String(length),
        "accept-ranges": "bytes",
        etag,
        ...(range === null
          ? {}
          : { "content-range": `bytes ${start}-${start + length - 1}/${archive.bytes}` }),
      };
      const body = archive.read(start, length, (work) => services.background(work));
      return new Response(body, { status: range === null ? 200 : 206, headers });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/deletions",
    summary: "What was deleted, for a restore",
    description:
      "Lines of JSON: `{workspace_id, path, generation, deleted_at}`, a whole workspace where `path` is null, some twice; the last line is `{until}`. Kept for 31 days beside the database, and readable without it.",
    tag: "Operations",
    access: "root",
    limit: "default",
    query: z.strictObject({ since: z.iso.datetime().optional() }),
    responses: { 200: { description: "The deletions.", contentType: "application/x-ndjson" } },
    async handle(c, { query }) {
      const since = query.since === undefined ? 0 : Date.parse(query.since);
      return new Response(readDeletions(c.get("services"), since), {
        headers: { "content-type": "application/x-ndjson" },
      });
    },
  }),
];

/** RFC 9110, 14.1.2: the first byte and the length; null for the whole. Errors: `range_not_satisfiable`. */
function byteRange(header: string | undefined, size: number): [number, number] | null {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "") ?? [];
  // Several ranges, or another unit: a server may answer with the whole.
  if (first === "" && last === "") return null;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (start <= end && start < size) return [start, end - start + 1];
  throw new DevFlowError("range_not_satisfiable", `The file has ${size} bytes.`, {
    headers: { "content-range": `bytes */${size}` },
  });
}

function backupBody(row: BackupRow): z.input<typeof BackupSchema> {
  const { counts } = row;
  return {
    id: row.id,
    job_id: row.jobId,
    status: row.status,
    recipients: row.recipients,
    refers_to: Object.keys(counts?.referred ?? {}).sort(),
    parts: row.parts,
    bytes: row.bytes,
    counts:
      counts === null
        ? null
        : {
            rows: counts.rows,
            blobs: counts.blobs,
            blob_bytes: counts.blobBytes,
            referred: Object.values(counts.referred ?? {}).reduce((sum, n) => sum + n, 0),
            vectors: counts.vectors,
          },
    manifest_sha256: row.manifestSha256,
    error: row.error,
    created_at: new Date(row.createdAt).toISOString(),
    finished_at: row.finishedAt === null ? null : new Date(row.finishedAt).toISOString(),
  };
}
