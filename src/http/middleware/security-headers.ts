import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../context.ts";
import { setHeaders } from "./answer-headers.ts";

/** On every answer, refusals included. Pages set a Content-Security-Policy of their own. */
const HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-xss-protection": "1; mode=block",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy":
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
};
const API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const NO_STORE = { "cache-control": "no-store" };
const WITH_API_POLICY = { ...HEADERS, "content-security-policy": API_POLICY };

export function securityHeaders() {
  return createMiddleware<AppEnv>(async function securityHeadersMiddleware(c, next) {
    await next();
    setHeaders(c, c.res.headers.has("content-security-policy") ? HEADERS : WITH_API_POLICY);
    // What was answered to a credential, or refuses one, is for nobody else; problems are for no cache at all.
    if (c.req.header("authorization") !== undefined || c.res.status >= 400) setHeaders(c, NO_STORE);
  });
}
