import { createMiddleware } from "hono/factory";
import { confirm } from "../../auth/authenticate.ts";
import type { KeyStanding, WorkspacePrincipal } from "../../core/principal.ts";
import { requireAccess } from "../access.ts";
import type { AppContext, AppEnv } from "../context.ts";
import type { Access } from "../route.ts";

/**
 * To be called with what the limiter of the credential's bucket said, before its quotas decide anything: refuses a
 * revoked key and its tokens, and gives the credential as it is in force. Where the limits of that differ from
 * those that were charged, the caller gives back and takes again.
 * Errors: 401 as `authenticate`; `insufficient_scope` where a scope was taken away.
 */
export async function confirmPrincipal(
  c: AppContext,
  access: Access,
  standing: KeyStanding,
): Promise<WorkspacePrincipal | null> {
  const principal = c.get("principal");
  if (principal === undefined || principal.kind === "root") return null;
  const inForce = await confirm(c.get("services").authentication, principal, standing);
  c.set("principal", inForce);
  c.set("confirmed", true);
  requireAccess(inForce, access);
  return inForce;
}

/** Asks the limiter itself for a route that no policy of its own limits. */
export function confirmed(access: Access) {
  return createMiddleware<AppEnv>(async function confirmedMiddleware(c, next) {
    if (!c.get("confirmed")) await confirmByLimiter(c, access);
    return next();
  });
}

/** Looks at the limiter of the bucket, charging nothing. */
export async function confirmByLimiter(c: AppContext, access: Access): Promise<WorkspacePrincipal | null> {
  const principal = c.get("principal");
  if (principal === undefined || principal.kind === "root") return null;
  return confirmPrincipal(c, access, await look(c, principal.bucketId));
}

async function look(c: AppContext, bucketId: string): Promise<KeyStanding> {
  try {
    const { revoked, epoch } = await c.get("services").limiters(`key:${bucketId}`).take([]);
    return { source: "limiter", revoked, epoch };
  } catch (cause) {
    c.get("log").error("the limiter does not answer", cause, { bucket: bucketId });
    return { source: "fallback", revoked: [], epoch: -1 };
  }
}
