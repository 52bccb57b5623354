import { z } from "@hono/zod-openapi";
import { createWorkspace } from "../../auth/workspaces.ts";
import { defineRoute } from "../route.ts";

const NewWorkspaceSchema = z.strictObject({
  name: z.string().trim().min(1).max(100),
  monthly_token_budget: z.int().min(0).max(1e15).optional(),
  max_files: z.int().min(0).max(1e9).optional(),
  max_bytes: z.int().min(0).max(1e15).optional(),
});

const CreatedWorkspaceSchema = z.object({
  id: z.string(),
  name: z.string(),
  monthly_token_budget: z.int().nullable(),
  max_files: z.int().nullable(),
  max_bytes: z.int().nullable(),
  created_at: z.iso.datetime(),
  key: z.object({ id: z.string(), key: z.string(), scopes: z.array(z.string()) }),
});

export const workspaceRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/workspaces",
    summary: "Create a workspace and its first key",
    tag: "Credentials",
    access: "root",
    limit: "default",
    body: { schema: NewWorkspaceSchema },
    responses: {
      201: { description: "The workspace; its key is shown this once.", schema: CreatedWorkspaceSchema },
    },
    async handle(c, { body }) {
      const { workspace, key } = await createWorkspace(c.get("services"), {
        name: body.name,
        monthlyTokenBudget: body.monthly_token_budget ?? null,
        maxFiles: body.max_files ?? null,
        maxBytes: body.max_bytes ?? null,
      });
      return c.json(
        {
          id: workspace.id,
          name: workspace.name,
          monthly_token_budget: workspace.monthlyTokenBudget,
          max_files: workspace.maxFiles,
          max_bytes: workspace.maxBytes,
          created_at: new Date(workspace.createdAt).toISOString(),
          key,
        },
        201,
      );
    },
  }),
];
