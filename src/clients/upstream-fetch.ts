import { type FailedAttempt, parseRetryAfter, type RetryPolicy, retryDelayMs } from "./retry.ts";

export interface UpstreamFetchOptions {
  /** Of one attempt, its body included; null leaves the time to the caller's signal. */
  timeoutMs: number | null;
  /** Hands a good answer on as it comes: what breaks off then is the caller's to see. */
  streamed?: boolean;
  retry: RetryPolicy;
  /** Uniform over [0, 1). */
  random?: () => number;
  now?: () => number;
  /** Waits; rejects when the signal aborts. */
  sleep?: (ms: number, signal: AbortSignal | null) => Promise<void>;
  fetch?: typeof fetch;
}

/**
 * `fetch` as upstreams are to be called: every attempt has a time-out, transient failures are tried again, redirects
 * are not followed (the address comes from the settings and from nowhere else). The answer is read whole within the
 * attempt, so that a connection that breaks half-way is tried again too; unless it is `streamed`.
 * Resolves with the last answer, whatever its status; rejects where there was none, or when the caller's signal aborts.
 */
export function upstreamFetch(options: UpstreamFetchOptions): typeof fetch {
  const { timeoutMs, streamed = false, retry, random = Math.random, now = Date.now, sleep = wait } = options;
  // Called as a plain function: workerd's fetch refuses any other `this`.
  const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));

  return async function upstream(input, init): Promise<Response> {
    const request = new Request(input as RequestInfo, init as RequestInit);
    const body = request.body === null ? null : await request.arrayBuffer();
    const caller = init?.signal ?? request.signal ?? null;
    for (let attempt = 0; ; attempt++) {
      const result = await once(request, body, caller);
      if (result.answer?.ok) return result.answer;
      caller?.throwIfAborted();
      const delayMs = retryDelayMs(retry, attempt, result.failed, random());
      if (delayMs !== null) await sleep(delayMs, caller);
      else if (result.answer) return result.answer;
      else throw result.error;
    }
  };

  async function once(
    request: Request,
    body: ArrayBuffer | null,
    caller: AbortSignal | null,
  ): Promise<{ answer?: Response; error?: unknown; failed: FailedAttempt }> {
    const signals = [
      ...(timeoutMs === null ? [] : [AbortSignal.timeout(timeoutMs)]),
      ...(caller === null ? [] : [caller]),
    ];
    try {
      const response = await send(request.url, {
        method: request.method,
        headers: request.headers,
        redirect: "manual",
        ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
        ...(body === null ? {} : { body }),
      });
      if (streamed && response.ok) return { answer: response, failed: { status: null, retryAfterMs: null } };
      const bytes = NO_BODY.has(response.status) ? null : await response.arrayBuffer();
      const { status, statusText, headers } = response;
      return {
        answer: new Response(bytes, { status, statusText, headers }),
        failed: {
          status,
          retryAfterMs: parseRetryAfter(headers.get("retry-after"), now()),
          final: headers.get("x-should-retry") === "false",
        },
      };
    } catch (error) {
      return { error, failed: { status: null, retryAfterMs: null } };
    }
  }
}

/** Statuses that `Response` takes no body for. */
const NO_BODY = new Set([204, 205, 304]);

function wait(ms: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
  });
}
