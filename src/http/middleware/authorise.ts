import { createMiddleware } from "hono/factory";
import { authenticate } from "../../auth/authenticate.ts";
import { accessProblem, requireAccess } from "../access.ts";
import type { AppEnv } from "../context.ts";
import type { Access } from "../route.ts";
import { confirmByLimiter } from "./standing.ts";

/** Authenticates, and checks that the credential may use the route. */
export function authorise(access: Access) {
  return createMiddleware<AppEnv>(async function authoriseMiddleware(c, next) {
    const { authentication } = c.get("services");
    const principal = await c
      .get("timing")
      .measure("auth", () => authenticate(authentication, c.req.header("authorization") ?? null));
    c.set("principal", principal);
    // A refusal is made of what is in force now: a revoked key is 401, and a scope may have been added.
    if (accessProblem(principal, access) !== null) await confirmByLimiter(c, access);
    requireAccess(c.get("principal") ?? principal, access);
    return next();
  });
}
