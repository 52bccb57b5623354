import { createHash } from "node:crypto";
import { createTarDecoder, type ParsedTarEntry, type TarHeader } from "modern-tar";
import { LIMITS } from "../core/limits.ts";
import { type Archive, type ArchiveEntry, ArchiveError, type Content } from "./archive-entry.ts";
import { ArchiveMeter } from "./archive-meter.ts";
import { decompress, readAll, SourceFailure } from "./decompress.ts";
import { SPARSE_MARK, withoutSparse } from "./tar-sparse.ts";

const SPECIAL: Partial<Record<NonNullable<TarHeader["type"]>, string>> = {
  link: "The entry is a hard link; links are not followed.",
  symlink: "The entry is a symbolic link; links are not followed.",
  "character-device": "The entry is a device.",
  "block-device": "The entry is a device.",
  fifo: "The entry is a named pipe.",
};

/**
 * A tar.gz, in memory bounded by the largest file that is indexed. Each reading streams it from its beginning.
 * @param open gives the packed bytes.
 */
export function openTarGz(open: () => Promise<ReadableStream<Uint8Array>>): Archive {
  return {
    async *entries() {
      const meter = new ArchiveMeter();
      const source = { failure: null as SourceFailure | null };
      const packed = counted(readAll(await open()), source, (bytes) => meter.packed(bytes));
      const unpacked = metered(decompress(packed, "gzip"), (bytes) => meter.unpacked(bytes));
      const tar = streamOf(withoutSparse(unpacked));
      const decoder = createTarDecoder({ strict: true });
      // A failure comes through the entries, too; here it would be an unhandled one.
      tar.pipeTo(decoder.writable).catch(() => {});
      const entries = decoder.readable.getReader();
      try {
        for (let number = 1; ; number++) {
          const { done, value } = await entries.read();
          if (done) return;
          meter.entries(1);
          const { entry, passOver } = openEntry(value, number);
          if (entry !== null) yield entry;
          await passOver();
        }
      } catch (error) {
        if (source.failure !== null) throw source.failure.cause;
        if (error instanceof ArchiveError) throw error;
        throw new ArchiveError("The archive is damaged or truncated, or is no tar.gz.", { cause: error });
      } finally {
        await entries.cancel().catch(() => {});
      }
    },
  };
}

/** Null for a folder. `passOver` lets go of what was not read. */
function openEntry(
  { header, body }: ParsedTarEntry,
  number: number,
): { entry: ArchiveEntry | null; passOver(): Promise<void> } {
  let taken = false;
  const passOver = async () => {
    if (!taken) await body.cancel();
  };
  if (header.type === "directory") return { entry: null, passOver };
  const message = specialMessage(header);
  const special = message === null ? null : { reason: "ignored" as const, message };
  const read = async (): Promise<Content> => {
    taken = true;
    if (header.size > LIMITS.indexedFileBytes) return hashBody(body, header.size);
    return { kind: "file", bytes: await readBody(body, header.size) };
  };
  return {
    entry: {
      number,
      name: plainName(header.pax?.["GNU.sparse.name"] ?? header.name),
      special,
      read,
      verify: async () => {},
    },
    passOver,
  };
}

async function hashBody(body: ReadableStream<Uint8Array>, size: number): Promise<Content> {
  const hash = createHash("sha256");
  for await (const part of body) hash.update(part);
  return { kind: "large", size, sha256: hash.digest("hex") };
}

function specialMessage(header: TarHeader): string | null {
  const sparse =
    (header.type === "fifo" && header.linkname === SPARSE_MARK) ||
    Object.keys(header.pax ?? {}).some((key) => key.startsWith("GNU.sparse"));
  if (sparse) return "The entry is a sparse file; pack it without --sparse.";
  return SPECIAL[header.type ?? "file"] ?? null;
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

async function* metered(
  source: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    count(bytes.length);
    yield bytes;
  }
}

/** As `metered`, and remembers a failure of the source: the decoders in between wrap or lose it. */
async function* counted(
  source: AsyncIterable<Uint8Array>,
  kept: { failure: SourceFailure | null },
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* metered(source, count);
  } catch (error) {
    if (error instanceof SourceFailure) kept.failure = error;
    throw error;
  }
}
