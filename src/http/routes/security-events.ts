import { z } from "@hono/zod-openapi";
import { listSecurityEvents } from "../../audit/list.ts";
import { SECURITY_EVENT_TYPES } from "../../core/security-event.ts";
import { listOf, listQuery } from "../list.ts";
import { defineRoute } from "../route.ts";

const SecurityEventSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    at: z.iso.datetime(),
    count: z.int(),
    ip: z.string().nullable(),
    route: z.string().nullable(),
    workspace_id: z.string().nullable(),
    key_id: z.string().nullable(),
    request_id: z.string().nullable(),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  })
  .openapi("SecurityEvent");

export const securityEventRoutes = [
  defineRoute({
    method: "get",
    path: "/v1/security_events",
    summary: "Security events, newest first",
    description:
      "A workspace's admin sees its own; the root key sees all. Events of one type, subject and minute are one, with a count.",
    tag: "Operations",
    access: "admin_or_root",
    limit: "default",
    query: z.strictObject({
      type: z.enum(SECURITY_EVENT_TYPES).optional(),
      since: z.iso.datetime({ offset: true }).optional(),
      ...listQuery,
    }),
    responses: {
      200: { description: "A page of events.", schema: listOf(SecurityEventSchema) },
    },
    async handle(c, { query }) {
      const principal = c.get("principal");
      const page = await listSecurityEvents(c.get("services"), {
        workspaceId: principal === undefined || principal.kind === "root" ? null : principal.workspaceId,
        type: query.type ?? null,
        sinceMs: query.since === undefined ? null : Date.parse(query.since),
        limit: query.limit,
        cursor: query.cursor ?? null,
      });
      return c.json({
        items: page.items.map((event) => ({
          id: event.id,
          type: event.type,
          at: new Date(event.at).toISOString(),
          count: event.count,
          ip: event.ip,
          route: event.route,
          workspace_id: event.workspaceId,
          key_id: event.keyId,
          request_id: event.requestId,
          detail: event.detail ?? {},
        })),
        next_cursor: page.nextCursor,
      });
    },
  }),
];
