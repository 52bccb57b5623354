import { matchedRoutes } from "hono/route";
import type { OperationPolicy } from "../core/policy-names.ts";
import type { AppContext } from "./context.ts";
import { honoPath, type Route } from "./route.ts";

/** The policy of the route that a request is going to reach, asked before it is reached; null where none limits it. */
export function policyFinder(routes: readonly Route[]): (c: AppContext) => OperationPolicy | null {
  const policies = new Map(
    routes.map((route) => [`${route.method.toUpperCase()} ${honoPath(route.path)}`, route.limit]),
  );
  return (c) => {
    for (const { method, path } of matchedRoutes(c)) {
      const policy = policies.get(`${method} ${path}`);
      if (policy !== undefined) return policy === "inner" ? null : policy;
    }
    return null;
  };
}
