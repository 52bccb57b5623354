import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";

/** Counts each answer for its route, and for the key that asked; an addition in memory, written behind the answer. */
export function countRequests() {
  return createMiddleware<AppEnv>(async function countRequestsMiddleware(c, next) {
    await next();
    const { usage } = c.get("services");
    usage.answered(c.get("route") ?? null, c.res.status);
    const principal = c.get("principal");
    // A credential that nobody has confirmed may be a revoked one.
    if (principal === undefined || principal.kind === "root" || !c.get("confirmed")) return;
    usage.add(principal.workspaceId, principal.keyId, { requests: 1 });
  });
}
