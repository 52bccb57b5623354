import type { Actor } from "../auth/key-row.ts";
import { type AppContext, principalOf } from "./context.ts";

/** Who sent the request, and from where: for what is recorded with a change. */
export function actorOf(c: AppContext): Actor {
  return {
    principal: principalOf(c),
    ip: c.get("ip"),
    route: c.get("route") ?? null,
    requestId: c.get("requestId"),
  };
}
