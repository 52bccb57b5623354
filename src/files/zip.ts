import { createHash } from "node:crypto";
import { crc32, inflateRawSync } from "node:zlib";
import { LIMITS } from "../core/limits.ts";
import { type Archive, type ArchiveEntry, ArchiveError, type Content } from "./archive-entry.ts";
import { ArchiveMeter } from "./archive-meter.ts";
import { decompress, readAll, SourceFailure } from "./decompress.ts";
import type { RandomAccess } from "./stored-object.ts";
import {
  DEFLATED,
  type DirectoryEntry,
  digestOf,
  overlapping,
  STORED,
  ZipDirectory,
} from "./zip-directory.ts";
import { entryName } from "./zip-names.ts";
import { readLocal, type ZipHeader } from "./zip-records.ts";

/** Types of a Unix mode's upper four bits that are no plain file. */
const SPECIAL: Readonly<Record<number, string>> = {
  1: "The entry is a named pipe.",
  2: "The entry is a device.",
  6: "The entry is a device.",
  10: "The entry is a symbolic link; links are not followed.",
  12: "The entry is a socket.",
};
const DIRECTORY = 4;
const DATA_DESCRIPTOR_FLAG = 0x0008;
const DATA_DESCRIPTOR_BYTES = 12;

/**
 * A zip: stored and deflated entries, zip64, data descriptors. Read by range, in the order in which the entries lie in
 * the file and not as the directory lists them, so that each byte is fetched about once. The directory is read and
 * checked before the first entry; each local header must say what the directory says.
 */
export function openZip(file: RandomAccess): Archive {
  return {
    async *entries() {
      const directory = await ZipDirectory.read(file);
      const meter = new ArchiveMeter();
      meter.packed(file.size);
      for (let i = 0; i < directory.length; i++) {
        const entry = await openEntry(file, directory.entry(i), i + 1, meter);
        if (entry !== null) yield entry;
      }
    },
  };
}

/** Null for a folder. Errors: `ArchiveError` where the two headers differ, or the data does not fit in its place. */
async function openEntry(
  file: RandomAccess,
  listed: DirectoryEntry,
  number: number,
  meter: ArchiveMeter,
): Promise<ArchiveEntry | null> {
  const local = await readLocal(file, listed.offset, listed.end);
  const name = entryName(local.name, local.flags, local.extra, crc32);
  requireSame(local, listed, name);
  const dataAt = listed.offset + local.length;
  const described = (local.flags & DATA_DESCRIPTOR_FLAG) === 0 ? 0 : DATA_DESCRIPTOR_BYTES;
  if (dataAt + listed.packedBytes + described > listed.end) throw overlapping();
  if (name.endsWith("/") || listed.fileType === DIRECTORY) return null;
  const read = () => readContent(file, listed, dataAt, name, meter);
  const verify = async () => void (await read());
  return { number, name, special: specialOf(listed), read, verify };
}

function requireSame(local: ZipHeader, listed: DirectoryEntry, name: string): void {
  const differ = (what: string) =>
    new ArchiveError(
      `The two headers of ${shown(name)} differ in its ${what}: the zip is damaged, or made to deceive.`,
    );
  if (digestOf(name) !== listed.nameDigest) throw differ("name");
  if (local.method !== listed.method) throw differ("compression method");
  if (((local.flags & 1) !== 0) !== listed.encrypted) throw differ("encryption");
  // With a data descriptor, the local header may leave them open.
  const open = (local.flags & DATA_DESCRIPTOR_FLAG) !== 0;
  if (local.crc !== listed.crc && !(open && local.crc === 0)) throw differ("checksum");
  if (local.bytes !== listed.bytes && !(open && local.bytes === 0)) throw differ("size");
  if (local.packedBytes !== listed.packedBytes && !(open && local.packedBytes === 0)) {
    throw differ("compressed size");
  }
}

function specialOf({ encrypted, fileType }: DirectoryEntry): ArchiveEntry["special"] {
  const message = SPECIAL[fileType];
  if (message !== undefined) return { reason: "ignored", message };
  if (!encrypted) return null;
  return { reason: "binary", message: "The entry is encrypted; pack it without a password." };
}

async function readContent(
  file: RandomAccess,
  listed: DirectoryEntry,
  dataAt: number,
  name: string,
  meter: ArchiveMeter,
): Promise<Content> {
  if (listed.bytes > LIMITS.indexedFileBytes) return hashLarge(file, listed, dataAt, name, meter);
  // Deflate adds five bytes to 16,383 at the worst; whatever is longer was not made by packing.
  if (listed.packedBytes > listed.bytes + (listed.bytes >> 10) + 1024) throw wrongSize(name);
  const packed = await file.read(dataAt, listed.packedBytes);
  const bytes = listed.method === STORED ? packed.slice() : inflate(packed, listed.bytes, name);
  meter.unpacked(bytes.length);
  if (bytes.length !== listed.bytes) throw wrongSize(name);
  if (crc32(bytes) !== listed.crc) throw damaged(name);
  return { kind: "file", bytes };
}

/** What the platform's inflate says of its input; Node's `info` option, which its types leave out. */
interface Inflated {
  buffer: Uint8Array;
  engine: { bytesWritten: number };
}

function inflate(packed: Uint8Array, bytes: number, name: string): Uint8Array {
  let inflated: Inflated;
  try {
    const options = { maxOutputLength: bytes + 1, info: true };
    inflated = inflateRawSync(packed, options) as unknown as Inflated;
  } catch (cause) {
    // Output past its bound is told of as a RangeError.
    throw cause instanceof RangeError ? wrongSize(name) : damaged(name, cause);
  }
  if (inflated.engine.bytesWritten !== packed.length) throw damaged(name);
  return inflated.buffer;
}

/** A file larger than what is indexed: hashed while it streams past. */
async function hashLarge(
  file: RandomAccess,
  listed: DirectoryEntry,
  dataAt: number,
  name: string,
  meter: ArchiveMeter,
): Promise<Content> {
  const hash = createHash("sha256");
  let size = 0;
  let crc = 0;
  try {
    const packed = readAll(await file.stream(dataAt, listed.packedBytes));
    for await (const bytes of listed.method === DEFLATED ? decompress(packed, "deflate-raw") : packed) {
      size += bytes.length;
      meter.unpacked(bytes.length);
      if (size > listed.bytes) throw wrongSize(name);
      crc = crc32(bytes, crc);
      hash.update(bytes);
    }
  } catch (error) {
    if (error instanceof SourceFailure) throw error.cause;
    throw error instanceof ArchiveError ? error : damaged(name, error);
  }
  if (size !== listed.bytes) throw wrongSize(name);
  if (crc !== listed.crc) throw damaged(name);
  return { kind: "large", size, sha256: hash.digest("hex") };
}

function wrongSize(name: string): ArchiveError {
  return new ArchiveError(`${shown(name)} does not unpack to the size that the zip says.`);
}

function damaged(name: string, cause?: unknown): ArchiveError {
  return new ArchiveError(`The data of ${shown(name)} is damaged.`, { cause });
}

/** A name in a message: bounded, and quoted so that nothing in it acts. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}
