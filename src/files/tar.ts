import { createTarDecoder, type ParsedTarEntry, type TarHeader } from "modern-tar";
import { hex } from "../core/hash.ts";
import { LIMITS } from "../core/limits.ts";
import { gunzip } from "./gunzip.ts";

/** The archive is at fault; the message is for clients. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

export type ArchiveEntry =
  | { kind: "file"; name: string; bytes: Uint8Array }
  /** Larger than what is indexed: hashed while it streamed past. */
  | { kind: "large_file"; name: string; size: number; sha256: string }
  /** A link, a device, or what else is no plain file. */
  | { kind: "special"; name: string; message: string };

const SPECIAL: Partial<Record<NonNullable<TarHeader["type"]>, string>> = {
  link: "The entry is a hard link; links are not followed.",
  symlink: "The entry is a symbolic link; links are not followed.",
  "character-device": "The entry is a device.",
  "block-device": "The entry is a device.",
  fifo: "The entry is a named pipe.",
};

/**
 * Entries of a tar.gz in the order in which they come, in memory bounded by the largest file that is indexed.
 * Folders are left out: a folder is where its files are. A body must not be kept after the next entry is asked for.
 * Errors: `ArchiveError` for damage, and past the bounds on entries, unpacked bytes and ratio. What the source
 * throws comes through as it is.
 */
export async function* readTarGz(packed: ReadableStream<Uint8Array>): AsyncGenerator<ArchiveEntry> {
  const meter = new Meter();
  const source = { failure: null as { error: unknown } | null };
  const unpacked = streamOf(meter.unpacked(gunzip(meter.packed(readAll(packed, source)))));
  const decoder = createTarDecoder({ strict: true });
  // A failure comes through the entries, too; here it would be an unhandled one.
  unpacked.pipeTo(decoder.writable).catch(() => {});
  const entries = decoder.readable.getReader();
  try {
    for (;;) {
      const { done, value } = await entries.read();
      if (done) return;
      meter.entry();
      const entry = await readEntry(value);
      if (entry !== null) yield entry;
    }
  } catch (error) {
    if (source.failure !== null) throw source.failure.error;
    if (error instanceof ArchiveError) throw error;
    throw new ArchiveError("The archive is damaged or truncated, or is no tar.gz.", { cause: error });
  } finally {
    await entries.cancel().catch(() => {});
  }
}

async function readEntry({ header, body }: ParsedTarEntry): Promise<ArchiveEntry | null> {
  const name = plainName(header.name);
  const special = specialMessage(header);
  if (special !== null || header.type === "directory") {
    await body.cancel();
    return special === null ? null : { kind: "special", name, message: special };
  }
  if (header.size > LIMITS.indexedFileBytes) {
    const digest = new crypto.DigestStream("SHA-256");
    // It fails with the body, which tells of it below.
    digest.digest.catch(() => {});
    await body.pipeTo(digest as WritableStream<Uint8Array>);
    return { kind: "large_file", name, size: header.size, sha256: hex(new Uint8Array(await digest.digest)) };
  }
  return { kind: "file", name, bytes: await readBody(body, header.size) };
}

function specialMessage(header: TarHeader): string | null {
  const message = SPECIAL[header.type ?? "file"];
  if (message !== undefined) return message;
  const sparse = Object.keys(header.pax ?? {}).some((key) => key.startsWith("GNU.sparse"));
  return sparse ? "The entry is a sparse file; pack it without --sparse." : null;
}

/** `tar -c .` writes `./a`; the decoder puts U+FFFD where a name is not UTF-8, and a NUL makes it refused. */
function plainName(name: string): string {
  const plain = name.replace(/^(?:\.\/+)+/, "");
  return plain.includes("\uFFFD") ? `${plain}\0` : plain;
}

async function readBody(body: ReadableStream<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let offset = 0;
  for await (const part of body) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** A stream that asks for bytes only as they are read. */
function streamOf(source: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await source.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Remembers a failure of the source itself, which is no fault of the archive. */
async function* readAll(
  stream: ReadableStream<Uint8Array>,
  source: { failure: { error: unknown } | null },
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        source.failure = { error };
        throw error;
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Counts what goes in and what comes out, and stops an archive that goes past its bounds. */
class Meter {
  #packedBytes = 0;
  #unpackedBytes = 0;
  #entries = 0;

  async *packed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#packedBytes += bytes.length;
      yield bytes;
    }
  }

  async *unpacked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#unpackedBytes += bytes.length;
      if (this.#unpackedBytes > LIMITS.archiveUnpackedBytes) {
        throw new ArchiveError(`The archive unpacks to over ${LIMITS.archiveUnpackedBytes} bytes.`);
      }
      const bomb = this.#unpackedBytes > this.#packedBytes * LIMITS.archiveRatio;
      if (bomb && this.#unpackedBytes > LIMITS.archiveRatioFloorBytes) {
        throw new ArchiveError(`The archive unpacks to over ${LIMITS.archiveRatio} times its size.`);
      }
      yield bytes;
    }
  }

  entry(): void {
    this.#entries++;
    if (this.#entries > LIMITS.archiveEntries) {
      throw new ArchiveError(`The archive has over ${LIMITS.archiveEntries} entries.`);
    }
  }
}
