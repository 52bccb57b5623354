import { z } from "@hono/zod-openapi";
import { LIMITS } from "../../core/limits.ts";
import { parseSelector } from "../../core/path.ts";
import { planSync } from "../../files/plan-sync.ts";
import { commitSync, viewSync } from "../../files/sync.ts";
import { viewJob } from "../../indexing/job.ts";
import { callerOf } from "../middleware/sync-upload.ts";
import { defineRoute } from "../route.ts";
import { JobAnswerSchema, JobOrNullAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";
import { manyOf } from "../validate.ts";

const PlanRequestSchema = z.strictObject({
  path: z.string().max(4096).optional().meta({
    description: "The folder or file that the sync is of; only what is stored there can be missing.",
  }),
  files: manyOf(
    z.strictObject({
      path: z.string().max(16_384).meta({ description: "Relative to the workspace, as everywhere." }),
      sha256: z
        .string()
        .regex(/^[0-9a-fA-F]{64}$/, "Give 64 hexadecimal digits.")
        .toLowerCase(),
      size: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    }),
    LIMITS.syncFiles,
    `A sync has ${LIMITS.syncFiles} files at the most.`,
  ),
  use_default_ignores: z.boolean().default(true),
});

const PlanSchema = z
  .object({
    id: z.string(),
    upload: z.array(z.string()).meta({ description: "Paths whose content is to be uploaded; all of them." }),
    upload_count: z.int(),
    unchanged: z.int(),
    renamed: z.array(z.object({ from: z.string(), to: z.string() })),
    copied: z.array(z.object({ from: z.string(), to: z.string() })).meta({
      description: "Files whose content is stored at another path, which stays; nothing is uploaded.",
    }),
    missing: z
      .array(z.string())
      .meta({ description: "Stored files that a commit with delete_missing deletes." }),
    skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
    estimate: z.object({
      files: z.int(),
      bytes: z.int(),
      chunks: z.int(),
      tokens: z.int(),
      cost_microusd: z.int(),
    }),
    expires_at: z.iso.datetime(),
  })
  .openapi("SyncPlan");

const SyncSchema = z
  .object({
    id: z.string(),
    status: z.enum(["open", "committed", "expired"]),
    path: z.string().nullable(),
    unchanged: z.int(),
    upload_count: z.int(),
    uploaded_count: z.int(),
    waiting: z.array(z.string()).meta({ description: "Paths that are still to be uploaded, the first 100." }),
    renamed_count: z.int(),
    copied_count: z.int(),
    missing_count: z.int(),
    job_id: z.string().nullable(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
    committed_at: z.iso.datetime().nullable(),
  })
  .openapi("Sync");

const idParams = z.object({ id: z.string().max(100) });

export const syncRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/syncs",
    summary: "Compare a tree with what is stored",
    description:
      "Says what to upload, what was renamed or copied (by content), what is missing, and what that would cost; changes nothing. " +
      "Uploads with the header `Sync-Id` are charged to the plan: each of its files once, within the hour.",
    tag: "Files",
    access: "index",
    limit: "index",
    body: {
      schema: PlanRequestSchema,
      bounds: { maxBytes: LIMITS.syncBodyBytes, maxValues: LIMITS.syncValues },
    },
    responses: { 201: { description: "The plan.", schema: PlanSchema } },
    async handle(c, { body }) {
      const { workspaceId, bucketId } = callerOf(c);
      const plan = await planSync(c.get("services"), {
        workspaceId,
        bucketId,
        selector: parseSelector(body.path),
        files: body.files,
        useDefaultIgnores: body.use_default_ignores,
      });
      const { files, bytes, chunks, tokens, costMicrousd } = plan.estimate;
      const answer = {
        id: plan.id,
        upload: plan.upload,
        upload_count: plan.upload.length,
        unchanged: plan.unchanged,
        renamed: plan.renamed,
        copied: plan.copied,
        missing: plan.missing,
        skipped: plan.skipped,
        estimate: { files, bytes, chunks, tokens, cost_microusd: costMicrousd },
        expires_at: rfc3339(plan.expiresAt),
      };
      return c.json(answer, 201, { location: `/v1/syncs/${plan.id}` });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/syncs/{id}",
    summary: "How far a sync is",
    tag: "Files",
    access: "index",
    limit: "poll",
    params: idParams,
    responses: { 200: { description: "The sync, of the key that planned it.", schema: SyncSchema } },
    async handle(c, { params }) {
      const { sync, ...view } = await viewSync(c.get("services"), callerOf(c), params.id);
      return c.json({
        id: sync.id,
        status: view.status,
        path: sync.path,
        unchanged: sync.unchanged,
        upload_count: sync.uploads,
        uploaded_count: view.uploaded,
        waiting: view.waiting,
        renamed_count: sync.renames,
        copied_count: sync.copies,
        missing_count: sync.missing,
        job_id: view.jobId,
        created_at: rfc3339(sync.createdAt),
        expires_at: rfc3339(sync.expiresAt),
        committed_at: sync.committedAt === null ? null : rfc3339(sync.committedAt),
      });
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/syncs/{id}/commit",
    summary: "Carry out a sync",
    description:
      "Copies and moves files and, with `delete_missing`, deletes the missing ones last. 409 while an upload is missing, " +
      "and where over half of the files would be deleted without `allow_mass_delete`.",
    tag: "Files",
    access: "index",
    limit: "index",
    params: idParams,
    body: {
      schema: z.strictObject({
        delete_missing: z.boolean().default(false),
        allow_mass_delete: z.boolean().default(false),
      }),
      optional: true,
    },
    responses: {
      200: { description: "Nothing is left to do.", schema: JobOrNullAnswerSchema },
      202: { description: "The job; `Location` is where to follow it.", schema: JobAnswerSchema },
    },
    async handle(c, { params, body }) {
      const services = c.get("services");
      const caller = callerOf(c);
      const jobId = await commitSync(services, caller, params.id, {
        deleteMissing: body.delete_missing,
        allowMassDelete: body.allow_mass_delete,
      });
      if (jobId === null) return c.json({ job: null }, 200);
      const job = await viewJob(services, caller.workspaceId, jobId);
      return c.json({ job: jobBody(job) }, 202, { location: jobLocation(jobId) });
    },
  }),
];

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
