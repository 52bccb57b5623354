import { z } from "@hono/zod-openapi";
import { exportContent, startExport } from "../../files/export.ts";
import { viewJobRow } from "../../indexing/job.ts";
import { workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";
import { JobAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";

export const exportRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/exports",
    summary: "Export the workspace",
    description:
      "A job writes the workspace's files and metadata as tar.gz: `files/<path>`, `metadata/files-*.ndjson` (a line a " +
      "file, skipped ones too), `metadata/keys.ndjson` and, last, `manifest.json`. It is kept for a day.",
    tag: "Operations",
    access: "admin",
    limit: "default",
    responses: {
      202: { description: "The job; `Location` is where to follow it.", schema: JobAnswerSchema },
    },
    async handle(c) {
      const services = c.get("services");
      const { workspaceId, keyId } = workspaceOf(c);
      const row = await startExport(services, {
        workspaceId,
        keyId,
        requestId: c.get("requestId"),
        ip: c.get("ip"),
        route: c.get("route") ?? null,
      });
      const job = jobBody(await viewJobRow(services, row));
      return c.json({ job }, 202, { location: jobLocation(row.id) });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/exports/{id}/content",
    summary: "The archive of a finished export",
    description: "409 while its job is under way; 404 a day after it was made.",
    tag: "Operations",
    access: "admin",
    limit: "default",
    params: z.strictObject({ id: z.string().min(1).max(100) }),
    responses: { 200: { description: "A tar.gz.", contentType: "application/gzip" } },
    async handle(c, { params }) {
      const { bytes, body } = await exportContent(c.get("services"), workspaceOf(c).workspaceId, params.id);
      return c.body(body, 200, {
        "content-type": "application/gzip",
        "content-length": String(bytes),
        "content-disposition": `attachment; filename="devflow-export-${params.id}.tar.gz"`,
      });
    },
  }),
];
