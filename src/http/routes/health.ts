import { z } from "@hono/zod-openapi";
import { CHECK_NAMES, type CheckName, readiness } from "../../audit/readiness.ts";
import { VERSION } from "../../version.ts";
import { defineRoute } from "../route.ts";

const CheckSchema = z.object({ status: z.enum(["ok", "failing", "unknown"]), latency_ms: z.number() });
const ReadinessSchema = z.object({
  status: z.enum(["ok", "degraded", "down"]),
  checks: z
    .object(
      Object.fromEntries(CHECK_NAMES.map((name) => [name, CheckSchema])) as Record<
        CheckName,
        typeof CheckSchema
      >,
    )
    .optional(),
});

export const healthRoutes = [
  defineRoute({
    method: "get",
    path: "/health",
    summary: "Whether the Worker runs",
    tag: "Health",
    access: "public",
    limit: null,
    responses: {
      200: {
        description: "It runs.",
        schema: z.object({ status: z.literal("ok"), version: z.string(), time: z.iso.datetime() }),
      },
    },
    handle: (c) => c.json({ status: "ok", version: VERSION, time: new Date().toISOString() }),
  }),
  defineRoute({
    method: "get",
    path: "/health/ready",
    summary: "Whether it can do its work",
    description:
      "`degraded`: searches answer from what is left, indexing waits. The root key sees each check. Asked anew every 5 s at most.",
    tag: "Health",
    access: "public",
    rootSeesMore: true,
    limit: null,
    responses: {
      200: { description: "It works, perhaps not fully.", schema: ReadinessSchema },
      503: { description: "D1 or R2 fail.", schema: ReadinessSchema },
    },
    async handle(c) {
      const { status, checks } = await readiness(c.get("services"));
      return c.json(
        c.get("principal")?.kind === "root" ? { status, checks } : { status },
        status === "down" ? 503 : 200,
      );
    },
  }),
];
