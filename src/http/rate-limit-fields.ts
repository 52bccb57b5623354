import { serializeList } from "structured-headers";
import type { Decision } from "../core/limiter.ts";

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): lists of items named by the policy.
 * `q` quota, `w` window in seconds; `r` requests left, `t` seconds until the window takes more.
 */
export function rateLimitFields(decisions: readonly Decision[]): Record<string, string> {
  return {
    "ratelimit-policy": serializeList(
      decisions.map(({ policy, requests, windowSeconds }) => [
        policy,
        new Map([
          ["q", requests],
          ["w", windowSeconds],
        ]),
      ]),
    ),
    ratelimit: serializeList(
      decisions.map(({ policy, remaining, resetMs }) => [
        policy,
        new Map([
          ["r", remaining],
          ["t", seconds(resetMs)],
        ]),
      ]),
    ),
  };
}

/** Rounded up: who waits that long is not refused again. */
export function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000));
}
