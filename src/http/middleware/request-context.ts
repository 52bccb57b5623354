import { createMiddleware } from "hono/factory";
import { isAddress } from "../../core/address.ts";
import { requestIds } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import type { AppEnv } from "../context.ts";
import { Timing } from "../timing.ts";

/** Gives the request its id, logger and timing, and writes one line when it is answered. */
export function requestContext(log: Logger) {
  const nextId = requestIds();
  return createMiddleware<AppEnv>(async function requestContextMiddleware(c, next) {
    const requestId = nextId();
    const started = Date.now();
    c.set("requestId", requestId);
    c.set("log", log.with({ request_id: requestId }));
    c.set("timing", new Timing());
    // Set by Cloudflare; the local runtime passes on a client's own, which may be anything.
    const address = c.req.header("cf-connecting-ip") ?? "";
    c.set("ip", isAddress(address) ? address : "unknown");
    await next();
    c.res.headers.set("x-request-id", requestId);
    const durationMs = Date.now() - started;
    const timing = c.get("timing").header(durationMs);
    if (timing !== null) c.res.headers.set("server-timing", timing);
    c.get("log").info("request", {
      method: c.req.method,
      route: c.get("route") ?? null,
      status: c.res.status,
      duration_ms: durationMs,
    });
  });
}
