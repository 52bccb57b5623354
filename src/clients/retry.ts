/** How often and how long to wait before asking an upstream again. Durations are milliseconds. */
export interface RetryPolicy {
  /** Attempts after the first. */
  retries: number;
  /** Upper bound of the first wait; doubles with each attempt up to `maxDelayMs`. */
  baseDelayMs: number;
  maxDelayMs: number;
  /** A `Retry-After` longer than this is not waited for: the failure is handed up, where a queue can wait. */
  maxRetryAfterMs: number;
  /** Asks again, too, where nobody answered; true where it is left out. A paid call may have been charged then. */
  unanswered?: boolean;
}

export const DEFAULT_RETRY: Omit<RetryPolicy, "retries"> = {
  baseDelayMs: 300,
  maxDelayMs: 8_000,
  maxRetryAfterMs: 20_000,
};

/** How an attempt failed: by a status, or (status null) without any answer. */
export interface FailedAttempt {
  status: number | null;
  retryAfterMs: number | null;
  /** OpenAI's `x-should-retry: false`, as for a spent quota: asking again cannot help. */
  final?: boolean;
}

/**
 * Milliseconds to wait before the next attempt, or null to give up.
 * Full jitter: uniform over 0..min(maxDelayMs, baseDelayMs·2^attempt), so that callers that failed together do not
 * come back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/); a `Retry-After`
 * is a lower bound, with the jitter on top.
 * @param attempt number of the attempt that failed, from 0.
 * @param random uniform over [0, 1).
 */
export function retryDelayMs(
  policy: RetryPolicy,
  attempt: number,
  failed: FailedAttempt,
  random: number,
): number | null {
  if (attempt >= policy.retries || failed.final || !isTransient(failed.status)) return null;
  if (failed.status === null && policy.unanswered === false) return null;
  const jitter = random * Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** attempt);
  if (failed.retryAfterMs === null) return jitter;
  return failed.retryAfterMs > policy.maxRetryAfterMs ? null : failed.retryAfterMs + jitter;
}

/** No answer at all, 408, 429, and server errors other than 501 and 505. */
export function isTransient(status: number | null): boolean {
  if (status === null || status === 408 || status === 429) return true;
  return status >= 500 && status !== 501 && status !== 505;
}

/**
 * `Retry-After` (RFC 9110, section 10.2.3): seconds or a date, in milliseconds from now, never negative.
 * Null where the header is absent or malformed.
 */
export function parseRetryAfter(header: string | null, nowMs: number): number | null {
  const text = header?.trim() ?? "";
  if (text === "") return null;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  // Date.parse takes much that is no HTTP date ("-5" is a year); those all name the day first.
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
