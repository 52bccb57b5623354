import { DevFlowError } from "../core/errors.ts";

/**
 * The failure of an upstream, in words of ours: what the upstream said stays in the cause, which is logged and never
 * answered. A refused credential is the operator's to mend, so it is told apart in the log by its status.
 * @param service as a client may read it, such as "The embedding service".
 * @param retryAfterMs what the upstream asked for, or null.
 */
export function unavailable(
  service: string,
  cause: unknown,
  retryAfterMs: number | null = null,
): DevFlowError {
  return new DevFlowError("upstream_unavailable", `${service} is not available right now.`, {
    cause,
    ...(retryAfterMs === null ? {} : { headers: { "retry-after": String(Math.ceil(retryAfterMs / 1000)) } }),
  });
}
