import { insufficientScope } from "../auth/credential.ts";
import { hasScope, type Principal } from "../core/principal.ts";
import type { Access } from "./route.ts";

/** Errors: `insufficient_scope`. */
export function requireAccess(principal: Principal, access: Access): void {
  const refused = accessProblem(principal, access);
  if (refused !== null) throw insufficientScope(refused.detail, refused.scope);
}

/** Why the credential may not use the route, and the scope that would do where one would. */
export function accessProblem(
  principal: Principal,
  access: Access,
): { detail: string; scope: string | null } | null {
  if (access === "public" || access === "any") return null;
  const root = principal.kind === "root";
  if (access === "root") return root ? null : { detail: "This route is for the root key.", scope: null };
  if (access === "admin_or_root" && root) return null;
  if (root) {
    return { detail: "The root key only administers; use a workspace's API key for its data.", scope: null };
  }
  if (access === "workspace") return null;
  if ((access === "api_key" || access === "admin_key") && principal.kind !== "api_key") {
    return { detail: "This route takes an API key, not a token.", scope: null };
  }
  if (access === "api_key") return null;
  const scope = access === "admin_or_root" || access === "admin_key" ? "admin" : access;
  return hasScope(principal, scope) ? null : { detail: `This route needs the scope ${scope}.`, scope };
}
