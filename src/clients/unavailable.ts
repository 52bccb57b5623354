import { DevFlowError } from "../core/errors.ts";
import { describe } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";

/**
 * The failure of an upstream, in words of ours: what the upstream said stays in the cause, which is logged and never
 * answered. A refused credential is the operator's to mend; the log shows it by its status.
 * @param service as a client may read it, such as "The embedding service".
 * @param key the credential that was sent: an upstream may repeat it in its answer, and the log must not hold it.
 * @param retryAfterMs what the upstream asked for, or null.
 */
export function unavailable(
  service: string,
  cause: unknown,
  key: Secret | null,
  retryAfterMs: number | null = null,
): DevFlowError {
  const told = describe(cause);
  const repeatsKey = key !== null && key.reveal() !== "" && told.includes(key.reveal());
  return new DevFlowError("upstream_unavailable", `${service} is not available right now.`, {
    cause: repeatsKey ? new Error(told.replaceAll(key.reveal(), "[secret]")) : cause,
    ...(retryAfterMs === null ? {} : { headers: { "retry-after": String(Math.ceil(retryAfterMs / 1000)) } }),
  });
}
