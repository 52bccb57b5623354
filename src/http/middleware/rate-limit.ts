import { createMiddleware } from "hono/factory";
import type { OperationPolicy } from "../../core/policy-names.ts";
import type { AppEnv } from "../context.ts";

/** Charges the request to its policy. */
export function limitOperation(_policy: OperationPolicy | null) {
  return createMiddleware<AppEnv>(async function limitOperationMiddleware(_c, next) {
    await next();
  });
}
