import { z } from "@hono/zod-openapi";
import { pathOfEntry } from "../../core/entry-key.ts";
import { cancelJob, retryJob } from "../../indexing/control-job.ts";
import { type JobView, viewJob, viewJobFiles, viewJobs, viewRootJob } from "../../indexing/job.ts";
import { watchJob } from "../../indexing/watch-job.ts";
import { principalOf, workspaceOf } from "../context.ts";
import { eventStream, type ServerEvent } from "../event-stream.ts";
import { listOf, listQuery } from "../list.ts";
import { defineRoute } from "../route.ts";
import { JOB_FILE_STATUSES, JobFileSchema, JobSchema, jobBody, jobLocation } from "../schemas/job.ts";

const PARAMS = z.object({ id: z.string().max(100) });

export const jobRoutes = [
  defineRoute({
    method: "get",
    path: "/v1/jobs",
    summary: "Jobs of the workspace, newest first",
    tag: "Jobs",
    access: "workspace",
    limit: "poll",
    query: z.strictObject(listQuery),
    responses: { 200: { description: "A page of jobs.", schema: listOf(JobSchema) } },
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
    description:
      "The root key sees backups, restores and deletions of workspaces, with their receipts; no other.",
    tag: "Jobs",
    access: "any",
    limit: "poll",
    params: PARAMS,
    responses: { 200: { description: "The job as it stands.", schema: JobSchema } },
    async handle(c, { params }) {
      const services = c.get("services");
      const job =
        principalOf(c).kind === "root"
          ? await viewRootJob(services, params.id)
          : await viewJob(services, workspaceOf(c).workspaceId, params.id);
      return c.json(jobBody(job));
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
    query: z.strictObject({ ...listQuery, status: z.enum(JOB_FILE_STATUSES).optional() }),
    responses: { 200: { description: "A page of files, by path.", schema: listOf(JobFileSchema) } },
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
  defineRoute({
    method: "get",
    path: "/v1/jobs/{id}/events",
    summary: "A job's progress, as server-sent events",
    description:
      "`progress` with the job as it stands, at once and at each change; then `done` with the job as it ended. " +
      "Lasts ten minutes at most: whoever comes back, with or without `Last-Event-ID`, begins at the present state.",
    tag: "Jobs",
    access: "workspace",
    limit: "poll",
    params: PARAMS,
    responses: { 200: { description: "The events.", contentType: "text/event-stream" } },
    handle: (c, { params }) =>
      eventStream(c, "workspace", (signal) =>
        jobEvents(watchJob(c.get("services"), workspaceOf(c).workspaceId, params.id, signal)),
      ),
  }),
  defineRoute({
    method: "post",
    path: "/v1/jobs/{id}/cancel",
    summary: "End a job that is under way",
    description:
      "What it has done stays. Files that it would have indexed wait for a retry or `POST /v1/index`.",
    tag: "Jobs",
    access: "index",
    limit: "default",
    params: PARAMS,
    responses: { 200: { description: "The job, cancelled.", schema: JobSchema } },
    async handle(c, { params }) {
      return c.json(jobBody(await cancelJob(c.get("services"), workspaceOf(c).workspaceId, params.id)));
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/jobs/{id}/retry",
    summary: "Take up what failed of a job, or what was left when it was cancelled",
    tag: "Jobs",
    access: "index",
    limit: "default",
    params: PARAMS,
    responses: { 202: { description: "The job, under way again.", schema: JobSchema } },
    async handle(c, { params }) {
      const job = await retryJob(c.get("services"), workspaceOf(c).workspaceId, params.id);
      return c.json(jobBody(job), 202, { location: jobLocation(job.id) });
    },
  }),
];

async function* jobEvents(states: AsyncIterable<JobView>): AsyncGenerator<ServerEvent> {
  for await (const job of states) {
    const body = jobBody(job);
    yield { name: "progress", id: `${job.updatedAt}`, body };
    if (job.finishedAt !== null) yield { name: "done", id: `${job.updatedAt}-done`, body };
  }
}
