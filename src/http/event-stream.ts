import { DevFlowError } from "../core/errors.ts";
import { type AppContext, principalOf } from "./context.ts";
import { confirmByLimiter } from "./middleware/standing.ts";
import { problemBody } from "./problem.ts";
import type { Access } from "./route.ts";

export interface ServerEvent {
  name: string;
  /** Comes back as `Last-Event-ID`. */
  id: string;
  /** Sent as JSON, which has no line break. */
  body: unknown;
}

export interface StreamTimes {
  /** Between comments, which keep proxies from closing the connection and tell a reader that left. */
  commentMs: number;
  /** How long a stream lasts at most. */
  longestMs: number;
}

const TIMES: StreamTimes = { commentMs: 15_000, longestMs: 600_000 };
const HEADERS = { "content-type": "text/event-stream", "x-accel-buffering": "no" };

/**
 * Server-sent events (WHATWG HTML, section 9.2). What fails before the first event is an ordinary problem; after it,
 * an `error` event carries the problem and ends the stream. It ends by itself after ten minutes and with the
 * credential: at its expiry, or within a comment's time of its revocation.
 * @param events is ended by the signal when the stream ends; begun anew by whoever comes back.
 */
export async function eventStream(
  c: AppContext,
  access: Access,
  events: (signal: AbortSignal) => AsyncIterable<ServerEvent>,
): Promise<Response> {
  const now = c.get("services").now();
  const expiresInMs = (principalOf(c).expiresAtMs ?? Infinity) - now;
  const ended = new AbortController();
  const iterator = events(ended.signal)[Symbol.asyncIterator]();
  const first = await iterator.next();
  const rest = { [Symbol.asyncIterator]: () => startingWith(first, iterator) };
  const body = streamOf(rest, ended, {
    times: { ...TIMES, longestMs: Math.min(TIMES.longestMs, Math.max(0, expiresInMs)) },
    check: async () => void (await confirmByLimiter(c, access)),
    problem: (error) => {
      if (!(error instanceof DevFlowError)) c.get("log").error("a stream broke off", error);
      const failure =
        error instanceof DevFlowError ? error : new DevFlowError("internal", "Something failed on our side.");
      return problemBody(failure, c.get("requestId"));
    },
  });
  return c.body(body, 200, HEADERS);
}

/** The bytes of a stream of events. Nothing runs until somebody reads: a HEAD request starts no timer. */
export function streamOf(
  events: AsyncIterable<ServerEvent>,
  ended: AbortController,
  options: { times: StreamTimes; check(): Promise<void>; problem(error: unknown): unknown },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let started = false;

  async function run(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const send = (text: string) => {
      if (!ended.signal.aborted) controller.enqueue(encoder.encode(text));
    };
    const finish = () => {
      if (ended.signal.aborted) return;
      ended.abort();
      controller.close();
    };
    const fail = (error: unknown) => {
      send(eventText({ name: "error", id: "error", body: options.problem(error) }));
      finish();
    };
    const comments = setInterval(() => {
      send(": still here\n\n");
      options.check().catch(fail);
    }, options.times.commentMs);
    const end = setTimeout(finish, options.times.longestMs);
    try {
      for await (const event of events) send(eventText(event));
      finish();
    } catch (error) {
      fail(error);
    } finally {
      clearInterval(comments);
      clearTimeout(end);
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (started) return;
        started = true;
        void run(controller);
      },
      cancel() {
        ended.abort();
      },
    },
    { highWaterMark: 0 },
  );
}

function eventText({ name, id, body }: ServerEvent): string {
  return `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(body)}\n\n`;
}

async function* startingWith<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
}
