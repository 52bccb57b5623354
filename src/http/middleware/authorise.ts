import { createMiddleware } from "hono/factory";
import { authenticate } from "../../auth/authenticate.ts";
import { DevFlowError } from "../../core/errors.ts";
import { hasScope, type Principal } from "../../core/principal.ts";
import type { AppEnv } from "../context.ts";
import type { Access } from "../route.ts";

/** Authenticates, and checks that the credential may use the route. Public routes read no credential. */
export function authorise(access: Access) {
  return createMiddleware<AppEnv>(async function authoriseMiddleware(c, next) {
    if (access === "public") return next();
    const services = c.get("services");
    const principal = await c
      .get("timing")
      .measure("auth", () => authenticate(services, c.req.header("authorization") ?? null));
    c.set("principal", principal);
    requireAccess(principal, access);
    return next();
  });
}

function requireAccess(principal: Principal, access: Access): void {
  if (access === "public" || access === "any") return;
  const root = principal.kind === "root";
  if (access === "root") {
    if (!root) throw denied("This route is for the root key.", "root");
    return;
  }
  if (access === "admin_or_root") {
    if (!root && !hasScope(principal, "admin")) throw denied("This route needs the scope admin.", "admin");
    return;
  }
  if (root) throw denied("The root key only administers; use a workspace's API key for its data.", "search");
  if (access === "workspace") return;
  if (access === "api_key") {
    if (principal.kind !== "api_key") throw denied("This route takes an API key, not a token.", "search");
    return;
  }
  if (!hasScope(principal, access)) throw denied(`This route needs the scope ${access}.`, access);
}

/** RFC 6750, section 3.1: `insufficient_scope` names the scope that would do. */
function denied(detail: string, scope: string): DevFlowError {
  return new DevFlowError("insufficient_scope", detail, {
    headers: { "www-authenticate": `Bearer realm="devflow", error="insufficient_scope", scope="${scope}"` },
  });
}
