import { z } from "@hono/zod-openapi";
import { ManifestSchema } from "../../backup/archive-format.ts";
import {
  completeRestore,
  enableKeys,
  openRestore,
  PART_BODY_BYTES,
  putPart,
  type RestoreView,
  viewRestore,
} from "../../backup/restore.ts";
import { DevFlowError } from "../../core/errors.ts";
import { hex } from "../../core/hash.ts";
import { viewDeploymentJob } from "../../indexing/job.ts";
import { contentLength, tooLarge } from "../body.ts";
import { defineRoute } from "../route.ts";
import { JobAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";

const PARAMS = z.object({ id: z.string().max(100) });
const PART_PARAMS = z.object({
  id: z.string().max(100),
  n: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, "A number from 1.")
    .transform(Number)
    .openapi({ type: "integer", minimum: 1 }),
});
/** 100,000 parts would take more; 40,000 are a terabyte. */
const MANIFEST = { maxBytes: 32 * 1024 * 1024, maxValues: 2_000_000 };

const RestoreSchema = z
  .object({
    id: z.string(),
    status: z.enum(["receiving", "running", "succeeded", "failed"]),
    job_id: z.string().nullable(),
    parts: z.int().meta({ description: "Of the archive." }),
    received: z.array(z.int()).meta({ description: "Numbers of the parts that need not be sent again." }),
    error: z.string().nullable(),
  })
  .openapi("Restore");

const NEEDS = "Only with RESTORE_ENABLED=true.";

export const restoreRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/restores",
    summary: "Begin to restore a backup, or take up where it stood",
    description: `The manifest of the archive, as it is. ${NEEDS} Into an empty deployment; \`devflow backup restore\` does it all.`,
    tag: "Operations",
    access: "root",
    limit: "default",
    body: { schema: ManifestSchema, bounds: MANIFEST },
    responses: { 201: { description: "The restore, and which parts are there.", schema: RestoreSchema } },
    async handle(c, { body }) {
      return c.json(restoreBody(await openRestore(c.get("services"), body)), 201);
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/restores/{id}",
    summary: "One restore",
    tag: "Operations",
    access: "root",
    limit: "poll",
    params: PARAMS,
    responses: { 200: { description: "The restore.", schema: RestoreSchema } },
    async handle(c, { params }) {
      return c.json(restoreBody(await viewRestore(c.get("services"), params.id)));
    },
  }),
  defineRoute({
    method: "put",
    path: "/v1/restores/{id}/parts/{n}",
    summary: "Send a part, decrypted",
    description: `With \`Content-Length\` and \`Content-Digest: sha-256=:…:\` (RFC 9530). ${NEEDS}`,
    tag: "Operations",
    access: "root",
    limit: "poll",
    params: PART_PARAMS,
    rawBody: { contentTypes: ["application/x-tar"], description: "The tar within the part; at most 64 MiB." },
    responses: { 204: { description: "It is there, whole." } },
    async handle(c, { params }) {
      const request = c.req.raw;
      const length = contentLength(request);
      if (length !== null && length > PART_BODY_BYTES) throw tooLarge(PART_BODY_BYTES);
      const sha256 = contentDigest(request.headers.get("content-digest"));
      await putPart(c.get("services"), params.id, params.n, { body: request.body, length, sha256 });
      return c.body(null, 204);
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/restores/{id}/complete",
    summary: "All parts are there: restore them",
    description: `409 with \`missing\` where some are not. Sent again, it gives the same job. ${NEEDS}`,
    tag: "Operations",
    access: "root",
    limit: "default",
    params: PARAMS,
    responses: { 202: { description: "The job.", schema: JobAnswerSchema } },
    async handle(c, { params }) {
      const services = c.get("services");
      const jobId = await completeRestore(services, params.id, c.get("requestId"));
      const job = await viewDeploymentJob(services, jobId);
      return c.json({ job: jobBody(job) }, 202, { location: jobLocation(jobId) });
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/restores/{id}/enable_keys",
    summary: "Let restored API keys in again",
    description: "They are restored disabled. All of them, or those of one workspace.",
    tag: "Operations",
    access: "root",
    limit: "default",
    params: PARAMS,
    body: { schema: z.strictObject({ workspace_id: z.string().max(100).optional() }), optional: true },
    responses: { 200: { description: "How many.", schema: z.object({ enabled: z.int() }) } },
    async handle(c, { params, body }) {
      const services = c.get("services");
      await viewRestore(services, params.id);
      const actor = { ip: c.get("ip"), requestId: c.get("requestId") };
      return c.json({ enabled: await enableKeys(services, body.workspace_id ?? null, actor) });
    },
  }),
];

/** RFC 9530: the SHA-256 among the digests, in hexadecimal. */
function contentDigest(header: string | null): string {
  const [, base64] = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(header ?? "") ?? [];
  if (base64 === undefined) {
    throw new DevFlowError("invalid_request", "Send Content-Digest with the part's sha-256 (RFC 9530).");
  }
  return hex(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}

function restoreBody({ row, received, total }: RestoreView): z.input<typeof RestoreSchema> {
  return { id: row.id, status: row.status, job_id: row.jobId, parts: total, received, error: row.error };
}
