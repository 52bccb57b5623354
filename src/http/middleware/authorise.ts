import { createMiddleware } from "hono/factory";
import { isWellFormedApiKey } from "../../auth/api-key.ts";
import { authenticate } from "../../auth/authenticate.ts";
import { invalidApiKey, readCredential } from "../../auth/credential.ts";
import { equalSecrets } from "../../core/hash.ts";
import { ROOT } from "../../core/principal.ts";
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
      const { form, text } = readCredential(header);
      // The same order as `authenticate`: what may be a workspace's is never compared.
      if (form === "token" || (form === "api_key" && isWellFormedApiKey(text))) return next();
      if (!(await equalSecrets(text, c.get("config").ROOT_API_KEY.reveal()))) throw invalidApiKey();
      c.set("principal", ROOT);
    }
    return next();
  });
}
