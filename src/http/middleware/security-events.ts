import { createMiddleware } from "hono/factory";
import { noteNetwork } from "../../audit/networks.ts";
import { DevFlowError, type ErrorCode } from "../../core/errors.ts";
import type { Principal } from "../../core/principal.ts";
import type { SecurityEventType } from "../../core/security-event.ts";
import type { AppContext, AppEnv } from "../context.ts";
import { watchScopes } from "./rate-limit.ts";

/** Which refusals are events. One table, so that a route cannot forget to tell. */
const EVENT_OF: Partial<Record<ErrorCode, SecurityEventType>> = {
  invalid_api_key: "auth_failed",
  invalid_token: "auth_failed",
  token_expired: "token_expired",
  insufficient_scope: "scope_denied",
  rate_limited: "rate_limit_exceeded",
  invalid_path: "invalid_path",
  misdirected_request: "unknown_host",
  budget_exhausted: "budget_exhausted",
};

/** After the answer: tells of what was refused, of every use of the root key, and of a key on a new network. */
export function securityEvents() {
  return createMiddleware<AppEnv>(async function securityEventsMiddleware(c, next) {
    await next();
    const { error } = c;
    if (error instanceof DevFlowError) recordRefusal(c, error);
    const principal = c.get("principal");
    if (principal?.kind === "root") record(c, "root_used", { status: c.res.status });
    // A credential that nobody has confirmed may be a revoked one.
    if (principal !== undefined && (principal.kind === "root" || c.get("confirmed")))
      watchNetwork(c, principal);
  });
}

function watchNetwork(c: AppContext, principal: Principal): void {
  const services = c.get("services");
  const use = { principal, ip: c.get("ip"), route: c.get("route") ?? null, requestId: c.get("requestId") };
  const noting = noteNetwork(services, use);
  if (noting === null) return;
  services.background(
    noting.catch((cause) => c.get("log").error("the network of a key is not noted", cause)),
  );
}

function recordRefusal(c: AppContext, error: DevFlowError): void {
  const type = EVENT_OF[error.code];
  if (type === undefined) return;
  const { policy } = error.members;
  record(c, type, { code: error.code, ...(typeof policy === "string" ? { policy } : {}) });
  if (type !== "scope_denied") return;
  const watching = watchScopes(c).catch((cause) =>
    c.get("log").error("scope refusals are not counted", cause),
  );
  c.get("services").background(watching);
}

function record(
  c: AppContext,
  type: SecurityEventType,
  detail: Record<string, string | number | boolean>,
): void {
  const principal = c.get("principal");
  c.get("services").events.record({
    type,
    workspaceId: principal === undefined || principal.kind === "root" ? null : principal.workspaceId,
    ip: c.get("ip"),
    // The route's own name, or nothing: what a client wrote in the URL is not repeated.
    route: c.get("route") ?? null,
    keyId: principal?.keyId ?? null,
    requestId: c.get("requestId"),
    detail: { ...detail, method: c.req.method },
  });
}
