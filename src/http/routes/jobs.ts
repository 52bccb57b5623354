import { z } from "@hono/zod-openapi";
import { pathOfEntry } from "../../core/entry-key.ts";
import { viewJob, viewJobFiles, viewJobs } from "../../indexing/job.ts";
import { workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";
import { JOB_FILE_STATUSES, JobFileSchema, JobSchema, jobBody } from "../schemas/job.ts";
import { PAGE_QUERY, pageSchema } from "../schemas/page.ts";

const PARAMS = z.object({ id: z.string().max(100) });

export const jobRoutes = [
  defineRoute({
    method: "get",
    path: "/v1/jobs",
    summary: "Jobs of the workspace, newest first",
    tag: "Jobs",
    access: "workspace",
    limit: "poll",
    query: z.strictObject(PAGE_QUERY),
    responses: { 200: { description: "A page of jobs.", schema: pageSchema(JobSchema) } },
    async handle(c, { query }) {
      const { workspaceId } = workspaceOf(c);
      const page = await viewJobs(c.get("services"), workspaceId, {
        limit: query.limit,
        cursor: query.cursor ?? null,
      });
      return c.json({ items: page.items.map(jobBody), next_cursor: page.nextCursor });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/jobs/{id}",
    summary: "One job",
    tag: "Jobs",
    access: "workspace",
    limit: "poll",
    params: PARAMS,
    responses: { 200: { description: "The job as it stands.", schema: JobSchema } },
    async handle(c, { params }) {
      return c.json(jobBody(await viewJob(c.get("services"), workspaceOf(c).workspaceId, params.id)));
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/jobs/{id}/files",
    summary: "What became of each file of a job",
    tag: "Jobs",
    access: "workspace",
    limit: "poll",
    params: PARAMS,
    query: z.strictObject({ ...PAGE_QUERY, status: z.enum(JOB_FILE_STATUSES).optional() }),
    responses: { 200: { description: "A page of files, by path.", schema: pageSchema(JobFileSchema) } },
    async handle(c, { params, query }) {
      const { workspaceId } = workspaceOf(c);
      const page = await viewJobFiles(c.get("services"), workspaceId, params.id, {
        status: query.status ?? null,
        limit: query.limit,
        cursor: query.cursor ?? null,
      });
      const items = page.items.map(({ path, status, reason, message }) => ({
        path: pathOfEntry(path),
        status,
        reason,
        message,
      }));
      return c.json({ items, next_cursor: page.nextCursor });
    },
  }),
];
