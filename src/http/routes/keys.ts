import { z } from "@hono/zod-openapi";
import { changeKey, createKey, getKey, revokeKey, rotateKey } from "../../auth/keys.ts";
import { selectKeys } from "../../db/api-keys.ts";
import { actorOf } from "../actor.ts";
import { type AppContext, workspaceOf } from "../context.ts";
import { listOf, listQuery, readPage } from "../list.ts";
import { defineRoute } from "../route.ts";
import {
  CreatedKeySchema,
  KeyChangeSchema,
  KeyIdSchema,
  KeySchema,
  keyView,
  NewKeySchema,
  RotationSchema,
} from "./key-schemas.ts";

const tag = "Credentials";

/** The workspace whose keys the caller may touch; null: the root key may touch any. */
function reachOf(c: AppContext): string | null {
  return c.get("principal")?.kind === "root" ? null : workspaceOf(c).workspaceId;
}

export const keyRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/keys",
    summary: "Make an API key",
    description:
      "Scopes are some of the maker's, limits may only be lower, and the key ends no later than its maker. " +
      "Keys that a key of lowered limits makes have its limits, and count together with it. " +
      "An API key makes keys, a token does not.",
    tag,
    access: "admin_key",
    limit: "default",
    body: { schema: NewKeySchema },
    responses: { 201: { description: "The key; its text is shown this once.", schema: CreatedKeySchema } },
    async handle(c, { body }) {
      const { workspaceId } = workspaceOf(c);
      const { row, key } = await createKey(c.get("services"), actorOf(c), workspaceId, {
        name: body.name,
        scopes: body.scopes,
        expiresAtMs: body.expires_at,
        limits: body.limits ?? {},
      });
      return c.json({ ...keyView(row), key }, 201, { location: `/v1/keys/${row.id}` });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/keys",
    summary: "The workspace's API keys, newest first, ended ones included",
    tag,
    access: "admin",
    limit: "default",
    query: z.strictObject(listQuery),
    responses: { 200: { description: "A page.", schema: listOf(KeySchema) } },
    async handle(c, { query }) {
      const { workspaceId } = workspaceOf(c);
      const { db, cursors } = c.get("services");
      const page = await readPage(cursors, [workspaceId, "keys"], query, {
        read: (after, count) => selectKeys(db, workspaceId, after === null ? null : String(after[0]), count),
        positionOf: (row) => [row.id],
        view: keyView,
      });
      return c.json(page);
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/keys/{id}",
    summary: "An API key",
    tag,
    access: "admin_or_root",
    limit: "default",
    params: KeyIdSchema,
    responses: { 200: { description: "The key.", schema: KeySchema } },
    handle: async (c, { params }) => c.json(keyView(await getKey(c.get("services"), reachOf(c), params.id))),
  }),
  defineRoute({
    method: "patch",
    path: "/v1/keys/{id}",
    summary: "Change an API key, from the next request on",
    description:
      "Scopes may be added that the caller has. Limits are set policy by policy, null takes one away; " +
      "only the root key raises them. The end may be moved, but not past the caller's own.",
    tag,
    access: "admin_or_root",
    limit: "default",
    params: KeyIdSchema,
    body: { schema: KeyChangeSchema },
    responses: { 200: { description: "The key.", schema: KeySchema } },
    async handle(c, { params, body }) {
      const change = {
        name: body.name,
        scopes: body.scopes,
        expiresAtMs: body.expires_at,
        limits: body.limits,
      };
      return c.json(keyView(await changeKey(c.get("services"), actorOf(c), reachOf(c), params.id, change)));
    },
  }),
  defineRoute({
    method: "delete",
    path: "/v1/keys/{id}",
    summary: "Revoke an API key and its tokens, from the next request on",
    tag,
    access: "admin_or_root",
    limit: "default",
    params: KeyIdSchema,
    responses: { 200: { description: "The key, revoked.", schema: KeySchema } },
    handle: async (c, { params }) =>
      c.json(keyView(await revokeKey(c.get("services"), actorOf(c), reachOf(c), params.id))),
  }),
  defineRoute({
    method: "post",
    path: "/v1/keys/{id}/rotate",
    summary: "Replace an API key by a new one",
    description: "The same scopes, limits, end and rate-limit bucket. The old key ends after the grace.",
    tag,
    access: "admin_key",
    limit: "default",
    params: KeyIdSchema,
    body: { schema: RotationSchema, optional: true },
    responses: {
      201: { description: "The new key; its text is shown this once.", schema: CreatedKeySchema },
    },
    async handle(c, { params, body }) {
      const { workspaceId } = workspaceOf(c);
      const { row, key } = await rotateKey(
        c.get("services"),
        actorOf(c),
        workspaceId,
        params.id,
        body.grace_seconds,
      );
      return c.json({ ...keyView(row), key }, 201, { location: `/v1/keys/${row.id}` });
    },
  }),
];
