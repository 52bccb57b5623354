import { Hono } from "hono";
import { DevFlowError } from "../core/errors.ts";
import type { AppContext, AppEnv, Variables } from "./context.ts";
import { securityEvents } from "./middleware/security-events.ts";
import { problem } from "./problem.ts";
import type { Route } from "./route.ts";

/** What a request made within another one takes over from it. */
const INHERITED = [
  "requestId",
  "log",
  "timing",
  "config",
  "services",
  "ip",
  "failedCredentials",
] as const satisfies readonly (keyof Variables)[];

/** Answers a request to one of the routes on behalf of the request in hand, by its credential. */
export type InnerFetch = (c: AppContext, request: Request) => Promise<Response>;

/**
 * The routes alone, to be called from within the Worker: each call is authorised, charged to its own policy,
 * validated, and told of in security events as if it had come from outside. What guards the door (the address's
 * limit, host, HTTPS) was passed by the outer request, and is not passed twice.
 */
export function innerApp(routes: readonly Route[]): InnerFetch {
  const outer = new WeakMap<Request, AppContext>();
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    const from = outer.get(c.req.raw);
    if (from === undefined) throw new Error("a request without an outer one");
    for (const name of INHERITED) c.set(name, from.get(name) as never);
    await next();
  });
  app.use(securityEvents());
  for (const route of routes) route.mount(app);
  app.notFound((c) => problem(c, new DevFlowError("not_found", "Nothing is served at this address.")));
  app.onError((error, c) => problem(c, error));
  return async (c, request) => {
    outer.set(request, c);
    return await app.fetch(request, c.env, c.executionCtx);
  };
}
