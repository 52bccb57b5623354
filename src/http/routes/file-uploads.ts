import { z } from "@hono/zod-openapi";
import { insufficientScope } from "../../auth/credential.ts";
import { DevFlowError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { parsePath, parseSelector } from "../../core/path.ts";
import { hasScope } from "../../core/principal.ts";
import { ARCHIVE_TYPES, type ArchiveForm, uploadArchive } from "../../files/archive.ts";
import { putFile } from "../../files/put-file.ts";
import type { SyncUpload } from "../../files/sync-upload.ts";
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

const useDefaultIgnoresQuery = z.enum(["true", "false"]).optional().meta({
  description:
    "`false` takes what is left out by default: lock files, build output, dependencies, generated code.",
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
    syncUploads: true,
    query: z.strictObject({
      path: pathQuery,
      allow_secrets: allowSecretsQuery,
      use_default_ignores: useDefaultIgnoresQuery,
    }),
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
      const { file, jobId } = await asSyncUpload(c, (sync) =>
        putFile(services, uploader, {
          path: parsePath(query.path),
          bytes,
          allowSecrets,
          useDefaultIgnores: usesDefaultIgnores(c, query.use_default_ignores),
          sync,
          precondition:
            precondition.ifMatch === null && precondition.ifNoneMatch === null ? null : precondition,
        }),
      );
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
      "files and 32 MiB. `application/zip` or `application/gzip` (tar.gz): an archive of up to 95 MiB, with Content-Length. What cannot be taken is " +
      "skipped, with its reason among the job's files.",
    tag: "Files",
    access: "index",
    limit: "index",
    syncUploads: true,
    query: z.strictObject({
      path: pathQuery.optional(),
      allow_secrets: allowSecretsQuery,
      use_default_ignores: useDefaultIgnoresQuery,
    }),
    rawBody: {
      contentTypes: ["multipart/form-data", "application/zip", "application/gzip"],
      description: "Files as parts, a zip or a tar.gz.",
    },
    responses: {
      200: { description: "Every file is there already.", schema: JobOrNullAnswerSchema },
      202: { description: "The job; `Location` is where to follow it.", schema: JobAnswerSchema },
    },
    async handle(c, { query }) {
      const allowSecrets = maySendSecrets(c, query.allow_secrets);
      const useDefaultIgnores = usesDefaultIgnores(c, query.use_default_ignores);
      const form = ARCHIVE_TYPES[mediaType(c.req.raw) as keyof typeof ARCHIVE_TYPES] ?? null;
      const jobId =
        form === null
          ? await takeParts(c, query.path, { allowSecrets, useDefaultIgnores })
          : await takeArchive(c, query.path, { form, allowSecrets, useDefaultIgnores });
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

/** As the query says; of a sync, as its plan says. */
function usesDefaultIgnores(c: AppContext, asked: "true" | "false" | undefined): boolean {
  return asked === undefined ? (c.get("syncUpload")?.useDefaultIgnores ?? true) : asked === "true";
}

/** What an upload that fails was charged to its plan is given back. */
async function asSyncUpload<T>(c: AppContext, work: (sync: SyncUpload | null) => Promise<T>): Promise<T> {
  const sync = c.get("syncUpload") ?? null;
  try {
    return await work(sync);
  } catch (error) {
    await sync?.giveBack();
    throw error;
  }
}

/** Errors: `insufficient_scope` for who may not decide that. */
function maySendSecrets(c: AppContext, allow: "true" | "false" | undefined): boolean {
  if (allow !== "true") return false;
  if (!hasScope(principalOf(c), "admin")) {
    throw insufficientScope("allow_secrets needs the scope admin.", "admin");
  }
  return true;
}

interface UploadOptions {
  allowSecrets: boolean;
  useDefaultIgnores: boolean;
}

async function takeArchive(
  c: AppContext,
  path: string | undefined,
  options: UploadOptions & { form: ArchiveForm },
): Promise<string> {
  const request = c.req.raw;
  if (c.get("syncUpload") !== undefined) {
    throw new DevFlowError("invalid_request", "Sync-Id goes with single files and multipart bodies.");
  }
  const bytes = contentLength(request);
  if (bytes === null) {
    throw new DevFlowError("length_required", "Send an archive with Content-Length.");
  }
  if (bytes > LIMITS.archiveBodyBytes) throw tooLarge(LIMITS.archiveBodyBytes);
  if (bytes === 0 || request.body === null) {
    throw new DevFlowError("invalid_request", `The body is empty; send a ${options.form}.`);
  }
  const upload = { folder: parseSelector(path), body: request.body, bytes, ...options };
  return await uploadArchive(c.get("services"), uploaderOf(c), upload);
}

async function takeParts(
  c: AppContext,
  path: string | undefined,
  options: UploadOptions,
): Promise<string | null> {
  const request = c.req.raw;
  const body = counted(request, LIMITS.multipartBodyBytes);
  const folder = parseSelector(path);
  const contentType = c.req.header("content-type") ?? "";
  return await asSyncUpload(c, (sync) =>
    uploadMany(c.get("services"), uploaderOf(c), { folder, body, contentType, ...options, sync }),
  );
}
