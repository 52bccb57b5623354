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
    const request = await repeatable(input as RequestInfo | URL, init as RequestInit | undefined);
    for (let attempt = 0; ; attempt++) {
      const result = await once(request);
      if (result.answer?.ok) return result.answer;
      request.caller?.throwIfAborted();
      const delayMs = retryDelayMs(retry, attempt, result.failed, random());
      if (delayMs !== null) await sleep(delayMs, request.caller);
      else if (result.answer) return result.answer;
      else throw result.error;
    }
  };

  async function once({
    url,
    caller,
    ...init
  }: Repeatable): Promise<{ answer?: Response; error?: unknown; failed: FailedAttempt }> {
    const limit = limited(timeoutMs, caller);
    try {
      const response = await send(url, { ...init, redirect: "manual", signal: limit.signal });
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
    } finally {
      limit.done();
    }
  }
}

/** A request that can be sent again: its body is at hand. */
interface Repeatable {
  url: string;
  method: string;
  headers: HeadersInit;
  body?: BodyInit;
  caller: AbortSignal | null;
}

/** What is given in plain parts, as our own clients do, is taken as it is: a `Request` would copy all of it. */
async function repeatable(input: RequestInfo | URL, init: RequestInit | undefined): Promise<Repeatable> {
  const caller = init?.signal ?? (input instanceof Request ? input.signal : null) ?? null;
  const { body = null, headers = {}, method = "GET" } = init ?? {};
  if (!(input instanceof Request) && (body === null || typeof body === "string")) {
    return { url: String(input), method, headers, ...(body === null ? {} : { body }), caller };
  }
  const request = new Request(input, init);
  const bytes = request.body === null ? null : await request.arrayBuffer();
  const { url } = request;
  return {
    ...{ url, method: request.method, headers: request.headers, caller },
    ...(bytes === null ? {} : { body: bytes }),
  };
}

/**
 * A signal that aborts after the time, or when the caller's does; `done` lets go of both. For each attempt anew, so it
 * is made of one timer: `AbortSignal.timeout` would run on after the answer, and `AbortSignal.any` costs as much as
 * a request.
 */
function limited(
  timeoutMs: number | null,
  caller: AbortSignal | null,
): { signal: AbortSignal | null; done(): void } {
  if (timeoutMs === null) return { signal: caller, done() {} };
  const controller = new AbortController();
  const abort = () => controller.abort(caller?.reason);
  const late = () =>
    controller.abort(new DOMException(`timeout: no answer within ${timeoutMs} ms`, "TimeoutError"));
  const timer = setTimeout(late, timeoutMs);
  if (caller?.aborted) abort();
  caller?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    done() {
      clearTimeout(timer);
      caller?.removeEventListener("abort", abort);
    },
  };
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
