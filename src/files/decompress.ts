/** Input of one write: at deflate's best ratio (1,032 : 1) it becomes 8 MiB; twice that is the most that is held. */
const SLICE_BYTES = 8 * 1024;
/** Output of one read: each costs a turn of the event loop. */
const READ_BYTES = 128 * 1024;

/** The source itself failed, which is no fault of the data; the cause is its error. */
export class SourceFailure extends Error {
  override readonly name = "SourceFailure";
}

/** The parts of a stream. Errors: `SourceFailure`. */
export async function* readAll(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new SourceFailure("the source failed", { cause });
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * Unpacks as it is read. The platform's DecompressionStream knows no back pressure: whatever is written is
 * unpacked at once and kept. So it is fed a slice at a time, and only while a read waits for it; a read is answered a
 * turn of the event loop after the write that it waited for.
 * Errors: what the platform throws for damaged, truncated or trailing bytes.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  format: "gzip" | "deflate-raw",
): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new DecompressionStream(format);
  const reader = (readable as ReadableStream<Uint8Array>).getReader({ mode: "byob" });
  const writer = writable.getWriter();
  const input = slicesOf(source);
  let writing: Promise<unknown> = Promise.resolve();
  let ended = false;
  try {
    for (;;) {
      let answered = false;
      const read = reader.readAtLeast(READ_BYTES, new Uint8Array(READ_BYTES)).finally(() => {
        answered = true;
      });
      // Awaited below; until then a failure is no unhandled one.
      read.catch(() => {});
      while (!answered && !ended) {
        await Promise.race([writing, read]);
        await Promise.race([read, turn()]);
        if (answered) break;
        const next = await input.next();
        ended = next.done === true;
        writing = next.done ? writer.close() : writer.write(next.value);
        writing.catch(() => {});
      }
      const { done, value } = await read;
      if (done) break;
      if (value.length > 0) yield value;
    }
    await writing;
  } finally {
    await reader.cancel().catch(() => {});
    await writer.abort().catch(() => {});
    await input.return(undefined);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

async function* slicesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const bytes of source) {
    for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
      yield bytes.slice(start, start + SLICE_BYTES) as Uint8Array<ArrayBuffer>;
    }
  }
}
