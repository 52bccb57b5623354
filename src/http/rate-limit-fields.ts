import type { Decision } from "../core/limiter.ts";

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): lists of items named by the policy.
 * `q` quota, `w` window in seconds; `r` requests left, `t` seconds until the window takes more.
 * Structured fields (RFC 9651) of names and whole numbers alone, which need no escaping.
 */
export function rateLimitFields(decisions: readonly Decision[]): Record<string, string> {
  return {
    "ratelimit-policy": decisions
      .map(({ policy, requests, windowSeconds }) => `"${policy}";q=${requests};w=${windowSeconds}`)
      .join(", "),
    ratelimit: decisions
      .map(({ policy, remaining, resetMs }) => `"${policy}";r=${remaining};t=${seconds(resetMs)}`)
      .join(", "),
  };
}

/** Rounded up: who waits that long is not refused again. */
export function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000));
}
