import { z } from "@hono/zod-openapi";
import { VERSION } from "../../version.ts";
import { defineRoute } from "../route.ts";

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
];
