import { z } from "@hono/zod-openapi";
import { CHECK_NAMES, type CheckName, readiness } from "../../audit/readiness.ts";
import { equalSecrets } from "../../core/hash.ts";
import { ROOT } from "../../core/principal.ts";
import { VERSION } from "../../version.ts";
import type { AppContext } from "../context.ts";
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
    limit: null,
    responses: {
      200: { description: "It works, perhaps not fully.", schema: ReadinessSchema },
      503: { description: "D1 or R2 fail.", schema: ReadinessSchema },
    },
    async handle(c) {
      const { status, checks } = await readiness(c.get("services"));
      return c.json((await isRoot(c)) ? { status, checks } : { status }, status === "down" ? 503 : 200);
    },
  }),
];

/** Whoever asks with another credential, or none, sees what everybody sees. The root key's use is an event here too. */
async function isRoot(c: AppContext): Promise<boolean> {
  const [, credential] = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
  if (credential === undefined) return false;
  const root = await equalSecrets(credential, c.get("config").ROOT_API_KEY.reveal());
  if (root) c.set("principal", ROOT);
  return root;
}
