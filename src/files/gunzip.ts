/** Input of one write: at gzip's best ratio (1,032 : 1) it becomes 4 MiB, the most that is ever held. */
const SLICE_BYTES = 4 * 1024;

/**
 * Unpacks gzip as it is read. The platform's DecompressionStream knows no back pressure: whatever is written is
 * unpacked at once and kept. So it is fed a slice at a time, and only while a read waits for it.
 * Errors: what the platform throws for damaged, truncated or trailing bytes.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new DecompressionStream("gzip");
  const reader = (readable as ReadableStream<Uint8Array>).getReader();
  const writer = writable.getWriter();
  const input = slicesOf(source);
  let writing: Promise<unknown> = Promise.resolve();
  let ended = false;
  try {
    for (;;) {
      let answered = false;
      const read = reader.read().finally(() => {
        answered = true;
      });
      // Awaited below; until then a failure is no unhandled one.
      read.catch(() => {});
      while (!answered && !ended) {
        await Promise.race([writing, read]);
        if (answered) break;
        const next = await input.next();
        ended = next.done === true;
        writing = next.done ? writer.close() : writer.write(next.value);
        writing.catch(() => {});
      }
      const { done, value } = await read;
      if (done) break;
      yield value;
    }
    await writing;
  } finally {
    await reader.cancel().catch(() => {});
    await writer.abort().catch(() => {});
    await input.return(undefined);
  }
}

async function* slicesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const bytes of source) {
    for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
      yield bytes.slice(start, start + SLICE_BYTES) as Uint8Array<ArrayBuffer>;
    }
  }
}
