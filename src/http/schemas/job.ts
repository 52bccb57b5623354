import { z } from "@hono/zod-openapi";
import type { JobView } from "../../indexing/job.ts";

const time = z.iso.datetime();

export const JOB_FILE_STATUSES = ["pending", "indexed", "unchanged", "deleted", "skipped", "failed"] as const;

/** A job, as every route shows it. */
export const JobSchema = z
  .object({
    id: z.string(),
    kind: z.enum([
      "put",
      "upload",
      "archive",
      "sync",
      "index",
      "delete",
      "delete_workspace",
      "backup",
      "restore",
      "export",
    ]),
    status: z.enum(["queued", "running", "paused", "succeeded", "failed", "cancelled"]),
    files: z.object({
      total: z.int().meta({ description: "Files found so far; final once the job's selection is known." }),
      done: z.int().meta({ description: "Files that have an outcome, whichever it is." }),
      unchanged: z.int(),
      skipped: z.int(),
      failed: z.int(),
    }),
    chunks: z.object({ total: z.int(), embedded: z.int(), reused: z.int() }),
    tokens: z.int(),
    error_count: z.int(),
    error: z.string().nullable().meta({ description: "Why the last attempt did not get through." }),
    paused_for: z.enum(["budget_exhausted"]).nullable().meta({ description: "Why it is paused." }),
    receipt: z.record(z.string(), z.union([z.number(), z.string()])).optional(),
    created_at: time,
    started_at: time.nullable(),
    updated_at: time,
    finished_at: time.nullable(),
    eta_seconds: z.int().nullable().meta({
      description:
        "By the files that are done; null until they are a twentieth of all, and once the job has ended.",
    }),
  })
  .openapi("Job");

export const JobAnswerSchema = z.object({ job: JobSchema });
export const JobOrNullAnswerSchema = z.object({ job: JobSchema.nullable() });

export const JobFileSchema = z
  .object({
    path: z.string(),
    status: z.enum(JOB_FILE_STATUSES),
    reason: z.string().nullable(),
    message: z.string().nullable(),
  })
  .openapi("JobFile");

/** The wire form of a job. */
export function jobBody(job: JobView): z.input<typeof JobSchema> {
  return {
    id: job.id,
    kind: job.kind,
    status: job.status,
    files: job.files,
    chunks: job.chunks,
    tokens: job.tokens,
    error_count: job.files.failed,
    error: job.error,
    paused_for: job.pausedFor,
    ...(job.receipt === null ? {} : { receipt: job.receipt }),
    created_at: rfc3339(job.createdAt),
    started_at: job.startedAt === null ? null : rfc3339(job.startedAt),
    updated_at: rfc3339(job.updatedAt),
    finished_at: job.finishedAt === null ? null : rfc3339(job.finishedAt),
    eta_seconds: job.etaSeconds,
  };
}

/** Where a job is found: the value of `Location` beside a 202. */
export function jobLocation(id: string): string {
  return `/v1/jobs/${id}`;
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
