import type { Hono } from "hono";
import { DevFlowError } from "../core/errors.ts";
import type { AppEnv } from "./context.ts";
import { honoPath, type Route } from "./route.ts";

/** Answers 405 with `Allow` where the path is served but not by this method. To be called after all routes. */
export function methodNotAllowed(app: Hono<AppEnv>, routes: readonly Route[]): void {
  const methods = new Map<string, Set<string>>();
  for (const route of routes) {
    const path = honoPath(route.path);
    const allowed = methods.get(path) ?? new Set<string>();
    allowed.add(route.method.toUpperCase());
    if (route.method === "get") allowed.add("HEAD");
    methods.set(path, allowed);
  }
  for (const [path, allowed] of methods) {
    const allow = [...allowed, "OPTIONS"].join(", ");
    app.options(path, (c) => c.body(null, 204, { allow }));
    app.all(path, () => {
      throw new DevFlowError("method_not_allowed", `This address takes ${allow}.`, { headers: { allow } });
    });
  }
}
