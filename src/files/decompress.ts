import { pipeline } from "node:stream";
import { createGunzip, createInflateRaw } from "node:zlib";

/** Output of one read, and as much again that is unpacked ahead of it. */
const READ_BYTES = 128 * 1024;
/** Packed bytes that wait to be unpacked, beside one part of the source. */
const WAITING_BYTES = 4 * 1024;

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
 * Unpacks as it is read, by zlib: the platform's DecompressionStream knows no back pressure, and keeps whatever was
 * written, unpacked. Errors: those of zlib for damaged or truncated bytes and for trailing ones; those of the source.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  format: "gzip" | "deflate-raw",
): AsyncGenerator<Uint8Array> {
  const options = { chunkSize: READ_BYTES, highWaterMark: WAITING_BYTES };
  const engine = format === "gzip" ? createGunzip(options) : createInflateRaw(options);
  let given = 0;
  async function* counted() {
    for await (const bytes of source) {
      given += bytes.length;
      yield bytes;
    }
  }
  // A failure comes out of the engine, too.
  pipeline(counted(), engine, () => {});
  for await (const bytes of engine) yield bytes as Uint8Array;
  // It takes no more than its data.
  if (engine.bytesWritten !== given) throw new Error("bytes follow the packed data");
}
