import { EventSourceParserStream } from "eventsource-parser/stream";
import { ApiError, ConnectionError, type Problem } from "./problem.ts";
import { pause, type RequestOptions, type Transport } from "./transport.ts";

export interface ServerEvent {
  name: string;
  id: string | undefined;
  body: unknown;
}

const RECONNECTS = 5;
const RECONNECT_MS = 1000;

/** Events of one answer, as they come. Errors: `ApiError` for an `error` event, which carries a problem. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  if (response.body === null) return;
  const decoded = response.body.pipeThrough(
    new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>,
  );
  const reader = decoded.pipeThrough(new EventSourceParserStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const body: unknown = JSON.parse(value.data);
      if (value.event === "error") throw new ApiError(body as Problem);
      yield { name: value.event ?? "message", id: value.id, body };
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * Events of a stream that tells a state (a job's), until one is called `done`: taken up again with `Last-Event-ID`
 * where the connection is cut or the server ends it after its ten minutes.
 */
export async function* followEvents(
  transport: Transport,
  path: string,
  options: RequestOptions = {},
): AsyncGenerator<ServerEvent> {
  let last: string | undefined;
  let failures = 0;
  while (failures <= RECONNECTS) {
    const headers = { ...options.headers, ...(last === undefined ? {} : { "last-event-id": last }) };
    const response = await transport.send("GET", path, { ...options, headers });
    try {
      for await (const event of eventsOf(response)) {
        failures = 0;
        last = event.id ?? last;
        yield event;
        if (event.name === "done") return;
      }
    } catch (error) {
      if (error instanceof ApiError || options.signal?.aborted) throw error;
    }
    failures++;
    await pause(RECONNECT_MS, options.signal);
  }
  throw new ConnectionError(`${transport.url} keeps ending the stream.`);
}
