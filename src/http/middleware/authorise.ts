import { createMiddleware } from "hono/factory";
import { authenticate, authenticateRoot, isWorkspaceCredential } from "../../auth/authenticate.ts";
import { readCredential } from "../../auth/credential.ts";
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

/**
 * For routes that are open to all and show the root key more: knows it, and refuses what can only be a guess at it.
 * A workspace's credential is not looked at. Errors: `invalid_api_key`.
 */
export function recogniseRoot() {
  return createMiddleware<AppEnv>(async function recogniseRootMiddleware(c, next) {
    const header = c.req.header("authorization") ?? "";
    if (/^Bearer +\S/i.test(header)) {
      const credential = readCredential(header);
      if (isWorkspaceCredential(credential)) return next();
      c.set("principal", await authenticateRoot(c.get("services").authentication, credential));
    }
    return next();
  });
}
