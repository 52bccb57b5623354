import { z } from "@hono/zod-openapi";
import { insufficientScope } from "../../auth/credential.ts";
import { DevFlowError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { parsePath, parseSelector } from "../../core/path.ts";
import { hasScope } from "../../core/principal.ts";
import { uploadArchive } from "../../files/archive.ts";
import { putFile } from "../../files/put-file.ts";
import { uploadMany } from "../../files/upload-many.ts";
import type { Uploader } from "../../files/uploader.ts";
import { viewJob } from "../../indexing/job.ts";
import { contentLength, counted, mediaType, readBytes, tooLarge } from "../body.ts";
import { entityTag, parseEntityTags } from "../conditional.ts";
import { type AppContext, principalOf, workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";
import { fileBody, PutAnswerSchema, pathQuery } from "../schemas/file.ts";
import { JobAnswerSchema, JobOrNullAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";

const allowSecretsQuery = z.enum(["true", "false"]).optional().meta({
  description:
    "`true` takes files in which secrets are found. Needs the scope admin, and is recorded as an event.",
});

export const fileUploadRoutes = [
  defineRoute({
    method: "put",
    path: "/v1/files",
    summary: "Store one file and have it indexed",
    description:
      "The body is the file's bytes, whatever its Content-Type. `If-Match` and `If-None-Match` compare with the " +
      "stored file's ETag, its SHA-256; `If-None-Match: *` only creates.",
    tag: "Files",
    access: "index",
    limit: "index",
    query: z.strictObject({ path: pathQuery, allow_secrets: allowSecretsQuery }),
    rawBody: { contentTypes: ["*/*"], description: "The file, up to 8 MiB." },
    responses: {
      200: {
        description: "The file is unchanged, or skipped: nothing is left to do.",
        schema: PutAnswerSchema,
      },
      202: { description: "The file waits for the index; `Location` is its job.", schema: PutAnswerSchema },
    },
    async handle(c, { query }) {
      const allowSecrets = maySendSecrets(c, query.allow_secrets);
      const precondition = {
        ifMatch: parseEntityTags(c.req.header("if-match"), "if-match", "strong"),
        ifNoneMatch: parseEntityTags(c.req.header("if-none-match"), "if-none-match", "weak"),
      };
      const bytes = await readBytes(c.req.raw, LIMITS.putBodyBytes);
      const uploader = uploaderOf(c);
      const services = c.get("services");
      const { file, jobId } = await putFile(services, uploader, {
        path: parsePath(query.path),
        bytes,
        allowSecrets,
        precondition:
          precondition.ifMatch === null && precondition.ifNoneMatch === null ? null : precondition,
      });
      const headers = { etag: entityTag(file.sha256) };
      if (jobId === null) return c.json({ file: fileBody(file), job: null }, 200, headers);
      const job = await viewJob(services, uploader.workspaceId, jobId);
      return c.json({ file: fileBody(file), job: jobBody(job) }, 202, {
        ...headers,
        location: jobLocation(jobId),
      });
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/files",
    summary: "Store many files",
    description:
      "`multipart/form-data`: parts named `files`, each with a `filename`, its path below `?path=`; up to 1,000 " +
      "files and 32 MiB. `application/gzip`: a tar.gz of up to 95 MiB, with Content-Length. What cannot be taken is " +
      "skipped, with its reason among the job's files.",
    tag: "Files",
    access: "index",
    limit: "index",
    query: z.strictObject({ path: pathQuery.optional(), allow_secrets: allowSecretsQuery }),
    rawBody: {
      contentTypes: ["multipart/form-data", "application/gzip"],
      description: "Files as parts, or a tar.gz.",
    },
    responses: {
      200: { description: "Every file is there already.", schema: JobOrNullAnswerSchema },
      202: { description: "The job; `Location` is where to follow it.", schema: JobAnswerSchema },
    },
    async handle(c, { query }) {
      const allowSecrets = maySendSecrets(c, query.allow_secrets);
      const archive = mediaType(c.req.raw) === "application/gzip";
      const jobId = archive
        ? await takeArchive(c, query.path, allowSecrets)
        : await takeParts(c, query.path, allowSecrets);
      if (jobId === null) return c.json({ job: null }, 200);
      const job = await viewJob(c.get("services"), workspaceOf(c).workspaceId, jobId);
      return c.json({ job: jobBody(job) }, 202, { location: jobLocation(jobId) });
    },
  }),
];

function uploaderOf(c: AppContext): Uploader {
  const { workspaceId, keyId } = workspaceOf(c);
  return {
    workspaceId,
    keyId,
    requestId: c.get("requestId"),
    ip: c.get("ip"),
    route: c.get("route") ?? null,
  };
}

/** Errors: `insufficient_scope` for who may not decide that. */
function maySendSecrets(c: AppContext, allow: "true" | "false" | undefined): boolean {
  if (allow !== "true") return false;
  if (!hasScope(principalOf(c), "admin")) {
    throw insufficientScope("allow_secrets needs the scope admin.", "admin");
  }
  return true;
}

async function takeArchive(c: AppContext, path: string | undefined, allowSecrets: boolean): Promise<string> {
  const request = c.req.raw;
  const bytes = contentLength(request);
  if (bytes === null) {
    throw new DevFlowError("length_required", "Send an archive with Content-Length.");
  }
  if (bytes > LIMITS.archiveBodyBytes) throw tooLarge(LIMITS.archiveBodyBytes);
  if (bytes === 0 || request.body === null) {
    throw new DevFlowError("invalid_request", "The body is empty; send a tar.gz.");
  }
  const upload = { folder: parseSelector(path), body: request.body, bytes, allowSecrets };
  return await uploadArchive(c.get("services"), uploaderOf(c), upload);
}

async function takeParts(
  c: AppContext,
  path: string | undefined,
  allowSecrets: boolean,
): Promise<string | null> {
  const request = c.req.raw;
  const body = counted(request, LIMITS.multipartBodyBytes);
  const folder = parseSelector(path);
  const contentType = c.req.header("content-type") ?? "";
  return await uploadMany(c.get("services"), uploaderOf(c), { folder, body, contentType, allowSecrets });
}
