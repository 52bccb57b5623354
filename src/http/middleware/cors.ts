import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";
import { allowsOrigin, exactOrigins } from "../origin.ts";
import { setHeaders, vary } from "./answer-headers.ts";

const METHODS = "GET, POST, PUT, PATCH, DELETE";
/** Never `*`: with credentials it would mean a header of that name, and without it would allow too much. */
const REQUEST_HEADERS = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "If-Match",
  "If-None-Match",
  "Sync-Id",
  "Last-Event-ID",
  "Content-Digest",
  "X-OpenAI-Key",
  "Mcp-Session-Id",
  "Mcp-Protocol-Version",
  "Mcp-Method",
  "Mcp-Name",
].join(", ");
const EXPOSED_HEADERS = [
  "X-Request-Id",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "ETag",
  "Location",
  "Mcp-Session-Id",
].join(", ");
/** Chromium's longest memory of a preflight, in seconds. */
const PREFLIGHT_SECONDS = "7200";

/**
 * Cross-origin access for the origins of `ALLOWED_ORIGINS` and the deployment's own, compared whole: scheme, host
 * and port as the browser sends them. Any other origin (`null` and `*` among them) gets no CORS header, and so
 * may read nothing. Refuses nothing itself: what a request may do is decided by its credential.
 */
export function cors(allowedOrigins: readonly string[]) {
  const allowed = exactOrigins(allowedOrigins);
  return createMiddleware<AppEnv>(async function corsMiddleware(c, next) {
    await next();
    vary(c, "Origin");
    const origin = c.req.header("origin");
    if (origin === undefined || !allowsOrigin(c, allowed, origin)) return;
    setHeaders(c, {
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
      "access-control-expose-headers": EXPOSED_HEADERS,
    });
    if (c.req.method !== "OPTIONS" || c.req.header("access-control-request-method") === undefined) return;
    setHeaders(c, {
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers": REQUEST_HEADERS,
      "access-control-max-age": PREFLIGHT_SECONDS,
    });
    vary(c, "Access-Control-Request-Method");
    vary(c, "Access-Control-Request-Headers");
  });
}
