import { ApiError, ConnectionError, problemOf } from "./problem.ts";

export interface ClientOptions {
  /** Where DevFlow answers, such as `http://127.0.0.1:8000`. */
  url: string;
  /** An API key or a token; null for what needs none. */
  key: string | null;
  fetch?: typeof fetch;
  /** Attempts after the first, for what can be repeated: default 4. */
  retries?: number;
  /** Longest wait for one `Retry-After`, in milliseconds: default a minute. Longer ones are told to the caller. */
  longestWaitMs?: number;
  /** Told of each wait, so that nobody thinks it hangs. */
  onWait?: (reason: string, ms: number) => void;
  /** Told of each answer, refusals too, for what its headers say. */
  onAnswer?: (headers: Headers) => void;
}

export interface RequestOptions {
  query?: Record<string, string | number | boolean | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  raw?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Whether sending it twice does no harm. GET and PUT are; a POST says so. */
  repeatable?: boolean;
}

const FIRST_WAIT_MS = 300;

/**
 * One request after another to one server. What can be repeated is, with exponential, jittered waits that honour
 * `Retry-After`. Errors: `ApiError` for a refusal, `ConnectionError` where nobody answers.
 */
export class Transport {
  readonly url: string;
  readonly #options: Required<Omit<ClientOptions, "url" | "key">>;
  readonly #key: string | null;

  constructor({ url, key, ...options }: ClientOptions) {
    this.url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#options = {
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      retries: options.retries ?? 4,
      longestWaitMs: options.longestWaitMs ?? 60_000,
      onWait: options.onWait ?? (() => {}),
      onAnswer: options.onAnswer ?? (() => {}),
    };
  }

  async send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const repeatable = options.repeatable ?? (method === "GET" || method === "PUT");
    for (let attempt = 0; ; attempt++) {
      const last = !repeatable || attempt >= this.#options.retries;
      const outcome = await this.#attempt(method, path, options);
      if (outcome instanceof Response) return outcome;
      const waitMs = this.#waitMs(outcome, attempt);
      if (last || waitMs === null || options.signal?.aborted) throw outcome;
      this.#options.onWait(outcome.message, waitMs);
      await pause(waitMs, options.signal);
    }
  }

  async json<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
    const response = await this.send(method, path, options);
    try {
      return (await response.json()) as T;
    } catch (cause) {
      throw new ConnectionError(`${this.url} does not answer like DevFlow.`, { cause });
    }
  }

  async #attempt(
    method: string,
    path: string,
    { query = {}, body, raw, headers, signal }: RequestOptions,
  ): Promise<Response | ApiError | ConnectionError> {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const content = body === undefined ? raw : JSON.stringify(body);
    let response: Response;
    try {
      response = await this.#options.fetch(url, {
        method,
        headers: {
          ...(this.#key === null ? {} : { authorization: `Bearer ${this.#key}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(content === undefined ? {} : { body: content }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      return new ConnectionError(`Nothing answers at ${this.url}.`, { cause });
    }
    this.#options.onAnswer(response.headers);
    if (response.ok || response.status === 304) return response;
    const problem = await problemOf(response);
    const seconds = Number(response.headers.get("retry-after"));
    return new ApiError(
      Number.isFinite(seconds) && seconds > 0 ? { retry_after_seconds: seconds, ...problem } : problem,
    );
  }

  /** Milliseconds to wait before the next attempt; null where another would not help, or only much later. */
  #waitMs(failure: ApiError | ConnectionError, attempt: number): number | null {
    const backOff = FIRST_WAIT_MS * 2 ** attempt * (0.5 + Math.random());
    if (failure instanceof ConnectionError) return backOff;
    const { status, retryable, retry_after_seconds: seconds } = failure.problem;
    if (!retryable || (status < 500 && status !== 429 && status !== 409)) return null;
    if (typeof seconds !== "number") return backOff;
    return seconds * 1000 <= this.#options.longestWaitMs ? seconds * 1000 + Math.random() * 250 : null;
  }
}

/** Ends early, with the signal's reason, where it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
