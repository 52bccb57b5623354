import { z } from "@hono/zod-openapi";
import { deleteWorkspace } from "../../auth/delete-workspace.ts";
import { changeWorkspace, createAdminKey, createWorkspace, getWorkspace } from "../../auth/workspaces.ts";
import { selectWorkspaces, type WorkspaceRow } from "../../db/workspaces.ts";
import { viewDeletion } from "../../indexing/job.ts";
import { resumeWorkspace } from "../../indexing/pause.ts";
import { actorOf } from "../actor.ts";
import { listOf, listQuery, readPage } from "../list.ts";
import { defineRoute } from "../route.ts";
import { JobAnswerSchema, jobBody, jobLocation } from "../schemas/job.ts";
import { CreatedKeySchema, keyView, NameSchema, TimeSchema } from "./key-schemas.ts";

const tag = "Credentials";

const quotas = {
  monthly_token_budget: z.int().min(0).max(1e15),
  max_files: z.int().min(0).max(1e9),
  max_bytes: z.int().min(0).max(1e15),
};

const NewWorkspaceSchema = z.strictObject({
  name: NameSchema,
  monthly_token_budget: quotas.monthly_token_budget.nullable().optional(),
  max_files: quotas.max_files.nullable().optional(),
  max_bytes: quotas.max_bytes.nullable().optional(),
});

const WorkspaceChangeSchema = NewWorkspaceSchema.partial().refine(
  (change) => Object.values(change).some((value) => value !== undefined),
  "Give at least one field.",
);

const WorkspaceSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    monthly_token_budget: quotas.monthly_token_budget.nullable(),
    max_files: quotas.max_files.nullable(),
    max_bytes: quotas.max_bytes.nullable(),
    created_at: z.iso.datetime(),
  })
  .openapi("Workspace");

const CreatedWorkspaceSchema = WorkspaceSchema.extend({
  key: z.object({ id: z.string(), key: z.string().nullable(), scopes: z.array(z.string()) }),
}).openapi("CreatedWorkspace");

const IdSchema = z.object({ id: z.string().min(1).max(100) });

const NewAdminKeySchema = z.strictObject({
  name: NameSchema.default("admin key"),
  expires_at: TimeSchema.nullable().default(null),
});

function workspaceView(row: WorkspaceRow) {
  return {
    id: row.id,
    name: row.name,
    monthly_token_budget: row.monthlyTokenBudget,
    max_files: row.maxFiles,
    max_bytes: row.maxBytes,
    created_at: new Date(row.createdAt).toISOString(),
  };
}

export const workspaceRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/workspaces",
    summary: "Create a workspace and its first key",
    tag,
    access: "root",
    limit: "default",
    body: { schema: NewWorkspaceSchema },
    responses: {
      201: { description: "The workspace; its key is shown this once.", schema: CreatedWorkspaceSchema },
    },
    async handle(c, { body }) {
      const { workspace, key } = await createWorkspace(c.get("services"), actorOf(c), {
        name: body.name,
        monthlyTokenBudget: body.monthly_token_budget ?? null,
        maxFiles: body.max_files ?? null,
        maxBytes: body.max_bytes ?? null,
      });
      return c.json({ ...workspaceView(workspace), key }, 201, {
        location: `/v1/workspaces/${workspace.id}`,
      });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/workspaces",
    summary: "All workspaces, newest first",
    tag,
    access: "root",
    limit: "default",
    query: z.strictObject(listQuery),
    responses: { 200: { description: "A page.", schema: listOf(WorkspaceSchema) } },
    async handle(c, { query }) {
      const { db, cursors } = c.get("services");
      const page = await readPage(cursors, ["root", "workspaces"], query, {
        read: (after, count) =>
          selectWorkspaces(
            db,
            after === null ? null : { createdAt: Number(after[0]), id: String(after[1]) },
            count,
          ),
        positionOf: (row) => [row.createdAt, row.id],
        view: workspaceView,
      });
      return c.json(page);
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/workspaces/{id}",
    summary: "A workspace",
    tag,
    access: "root",
    limit: "default",
    params: IdSchema,
    responses: { 200: { description: "The workspace.", schema: WorkspaceSchema } },
    handle: async (c, { params }) => c.json(workspaceView(await getWorkspace(c.get("services"), params.id))),
  }),
  defineRoute({
    method: "patch",
    path: "/v1/workspaces/{id}",
    summary: "Change a workspace's name and quotas; null: the deployment's own",
    tag,
    access: "root",
    limit: "default",
    params: IdSchema,
    body: { schema: WorkspaceChangeSchema },
    responses: { 200: { description: "The workspace.", schema: WorkspaceSchema } },
    async handle(c, { params, body }) {
      const services = c.get("services");
      const row = await changeWorkspace(services, actorOf(c), params.id, {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.monthly_token_budget === undefined ? {} : { monthlyTokenBudget: body.monthly_token_budget }),
        ...(body.max_files === undefined ? {} : { maxFiles: body.max_files }),
        ...(body.max_bytes === undefined ? {} : { maxBytes: body.max_bytes }),
      });
      // Where the answer goes first and this fails, the cron does it.
      if (body.monthly_token_budget !== undefined) services.background(resumeWorkspace(services, row));
      return c.json(workspaceView(row));
    },
  }),
  defineRoute({
    method: "delete",
    path: "/v1/workspaces/{id}",
    summary: "Delete a workspace with all that it holds",
    description:
      "Its keys are refused at once. The job's receipt counts what was erased, and says when the last backup that " +
      "may hold it is gone; the root key reads it at `GET /v1/jobs/{id}`. To ask again gives the same job.",
    tag,
    access: "root",
    limit: "default",
    params: IdSchema,
    responses: { 202: { description: "The job that erases it.", schema: JobAnswerSchema } },
    async handle(c, { params }) {
      const services = c.get("services");
      const jobId = await deleteWorkspace(services, actorOf(c), params.id);
      const job = jobBody(await viewDeletion(services, jobId));
      return c.json({ job }, 202, { location: jobLocation(jobId) });
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/workspaces/{id}/keys",
    summary: "Make a new admin key, for one that was lost",
    tag,
    access: "root",
    limit: "default",
    params: IdSchema,
    body: { schema: NewAdminKeySchema, optional: true },
    responses: { 201: { description: "The key; its text is shown this once.", schema: CreatedKeySchema } },
    async handle(c, { params, body }) {
      const { row, key } = await createAdminKey(c.get("services"), actorOf(c), params.id, {
        name: body.name,
        expiresAtMs: body.expires_at,
      });
      return c.json({ ...keyView(row), key }, 201, { location: `/v1/keys/${row.id}` });
    },
  }),
];
