import { createMiddleware } from "hono/factory";
import { DevFlowError } from "../../core/errors.ts";
import { type AppEnv, urlOf } from "../context.ts";

/** Answers only for the deployment's own names (`PUBLIC_HOSTS`): others reach us by a forged or rebound `Host`. */
export function requireKnownHost() {
  return createMiddleware<AppEnv>(async function requireKnownHostMiddleware(c, next) {
    const hosts = c.get("config").PUBLIC_HOSTS;
    if (hosts.length === 0) return next();
    const { host, hostname } = urlOf(c);
    const known = hosts.some((name) => name.toLowerCase() === host || name.toLowerCase() === hostname);
    if (!known) {
      throw new DevFlowError("misdirected_request", "This deployment does not answer for that host.");
    }
    return next();
  });
}

/** Headers that carry somebody's secret. */
const CREDENTIAL_HEADERS = ["authorization", "x-openai-key"];

/**
 * Plain HTTP: a reader without a credential is sent on to HTTPS (308 keeps the method). Everything else is
 * refused, since what was sent has been seen on the way: a redirect would hide that from whoever configured the
 * client. Loopback in development is exempt.
 */
export function requireHttps() {
  return createMiddleware<AppEnv>(async function requireHttpsMiddleware(c, next) {
    const url = urlOf(c);
    if (url.protocol === "https:") return next();
    if (c.get("config").ENVIRONMENT === "development" && isLoopback(url.hostname)) return next();
    const { method } = c.req;
    const withCredential = CREDENTIAL_HEADERS.some((name) => c.req.header(name) !== undefined);
    if (withCredential) {
      c.get("services").events.record({
        type: "insecure_transport",
        ip: c.get("ip"),
        requestId: c.get("requestId"),
        detail: { method, reason: "credential_over_http" },
      });
    }
    if ((method === "GET" || method === "HEAD") && !withCredential) {
      const secure = new URL(url);
      secure.protocol = "https:";
      secure.port = "";
      return c.redirect(secure.href, 308);
    }
    throw new DevFlowError(
      "forbidden",
      withCredential
        ? "Use https. The credential was sent unencrypted: rotate it."
        : "Use https: nothing is taken over plain HTTP.",
    );
  });
}

/** The machine itself (RFC 6761, RFC 5735, RFC 4291). */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    /^127(\.\d{1,3}){3}$/.test(hostname) ||
    hostname === "[::1]"
  );
}
