import { crc32 } from "node:zlib";
import { LIMITS } from "../core/limits.ts";
import { ArchiveError } from "./archive-entry.ts";
import type { RandomAccess } from "./stored-object.ts";
import { entryName } from "./zip-names.ts";
import { type CentralHeader, LOCAL_BYTES, readCentral, readEnd } from "./zip-records.ts";

/** What the central directory says of one entry; its name as a digest, for the local header has it too. */
export interface DirectoryEntry {
  offset: number;
  packedBytes: number;
  bytes: number;
  crc: number;
  method: number;
  encrypted: boolean;
  fileType: number;
  nameDigest: number;
  /** Where the next entry begins, or the directory: nothing of this one may reach past it. */
  end: number;
}

/** APPNOTE.TXT, section 4.4.4. */
const ENCRYPTED = 0x0001;
const STRONG_ENCRYPTION = 0x0040;
const MASKED_HEADERS = 0x2000;
const PATCHED = 0x0020;
/** Section 4.4.5. */
export const STORED = 0;
export const DEFLATED = 8;

/**
 * The central directory, in the order in which the entries lie in the file: 100,000 of them take 4 MB, while as
 * objects with names they would take the memory that there is.
 */
export class ZipDirectory {
  readonly length: number;
  readonly #order: Uint32Array;
  readonly #offset: Uint32Array;
  readonly #packedBytes: Uint32Array;
  readonly #bytes: Uint32Array;
  readonly #crc: Uint32Array;
  readonly #nameDigest: Float64Array;
  /** Method, file type and whether it is encrypted. */
  readonly #kind: Uint16Array;
  readonly #directoryOffset: number;

  private constructor(entries: number, directoryOffset: number) {
    this.length = entries;
    this.#order = Uint32Array.from({ length: entries }, (_, i) => i);
    this.#offset = new Uint32Array(entries);
    this.#packedBytes = new Uint32Array(entries);
    this.#bytes = new Uint32Array(entries);
    this.#crc = new Uint32Array(entries);
    this.#nameDigest = new Float64Array(entries);
    this.#kind = new Uint16Array(entries);
    this.#directoryOffset = directoryOffset;
  }

  /**
   * Reads and checks it whole: sizes within the bounds, methods that are known, no two entries over the same bytes.
   * Errors: `ArchiveError`.
   */
  static async read(file: RandomAccess): Promise<ZipDirectory> {
    const end = await readEnd(file);
    const directory = new ZipDirectory(end.entries, end.directoryOffset);
    const limit = end.directoryOffset + end.directoryBytes;
    let at = end.directoryOffset;
    let claimedBytes = 0;
    for (let i = 0; i < end.entries; i++) {
      const header = await readCentral(file, at, limit);
      directory.#set(i, header);
      claimedBytes += header.bytes;
      at += header.length;
    }
    if (at !== limit) throw new ArchiveError("The central directory holds more than its entries.");
    requireBounds(claimedBytes, file.size);
    directory.#sort();
    return directory;
  }

  /** @param i from 0, by where the entries lie. */
  entry(i: number): DirectoryEntry {
    const at = this.#order[i] ?? 0;
    const kind = this.#kind[at] ?? 0;
    return {
      offset: this.#offset[at] ?? 0,
      packedBytes: this.#packedBytes[at] ?? 0,
      bytes: this.#bytes[at] ?? 0,
      crc: this.#crc[at] ?? 0,
      method: (kind & 0x10) === 0 ? STORED : DEFLATED,
      encrypted: (kind & 0x20) !== 0,
      fileType: kind & 0x0f,
      nameDigest: this.#nameDigest[at] ?? 0,
      end: i + 1 < this.length ? (this.#offset[this.#order[i + 1] ?? 0] ?? 0) : this.#directoryOffset,
    };
  }

  #set(i: number, header: CentralHeader): void {
    const name = entryName(header.name, header.flags, header.extra, crc32);
    if ((header.flags & (STRONG_ENCRYPTION | MASKED_HEADERS)) !== 0) {
      throw new ArchiveError("The zip uses strong encryption; pack it without a password.");
    }
    if (header.method !== STORED && header.method !== DEFLATED) {
      throw new ArchiveError(`Compression method ${header.method} is not supported; use deflate.`);
    }
    if ((header.flags & PATCHED) !== 0) throw new ArchiveError("Patches inside a zip are not supported.");
    const encrypted = (header.flags & ENCRYPTED) !== 0;
    if (header.method === STORED && !encrypted && header.packedBytes !== header.bytes) {
      throw new ArchiveError(
        `A stored entry has two sizes: ${header.packedBytes} and ${header.bytes} bytes.`,
      );
    }
    if (header.offset + LOCAL_BYTES + header.name.length + header.packedBytes > this.#directoryOffset) {
      throw new ArchiveError("The data of an entry would reach past the entries' part of the zip.");
    }
    this.#offset[i] = header.offset;
    this.#packedBytes[i] = header.packedBytes;
    this.#bytes[i] = Math.min(header.bytes, 0xffffffff);
    this.#crc[i] = header.crc;
    this.#nameDigest[i] = digestOf(name);
    this.#kind[i] = header.fileType | (header.method === DEFLATED ? 0x10 : 0) | (encrypted ? 0x20 : 0);
  }

  /** Entries that share bytes are how a small zip unpacks to petabytes ("A better zip bomb", Fifield 2019). */
  #sort(): void {
    this.#order.sort((a, b) => (this.#offset[a] ?? 0) - (this.#offset[b] ?? 0));
    for (let i = 0; i < this.length; i++) {
      const { offset, packedBytes, end } = this.entry(i);
      if (offset + LOCAL_BYTES + packedBytes > end) throw overlapping();
    }
    if (this.length > 0 && this.entry(0).offset !== 0) {
      throw new ArchiveError("The zip begins with bytes that belong to no entry.");
    }
  }
}

export function overlapping(): ArchiveError {
  return new ArchiveError("Entries of the zip overlap.");
}

/** By what the headers say: refused at once. What comes out is counted besides. */
function requireBounds(claimedBytes: number, fileBytes: number): void {
  if (claimedBytes > LIMITS.archiveUnpackedBytes) {
    throw new ArchiveError(`The archive unpacks to over ${LIMITS.archiveUnpackedBytes} bytes.`);
  }
  if (claimedBytes > LIMITS.archiveRatioFloorBytes && claimedBytes > fileBytes * LIMITS.archiveRatio) {
    throw new ArchiveError(`The archive unpacks to over ${LIMITS.archiveRatio} times its size.`);
  }
}

/**
 * 53 bits of a text (cyrb53, public domain): enough to tell that two headers do not mean the same name. Nothing is
 * trusted by it: the name that counts is the one that is read.
 */
export function digestOf(text: string): number {
  let h1 = 0xdeadbeef;
  let h2 = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    h1 = Math.imul(h1 ^ code, 2654435761);
    h2 = Math.imul(h2 ^ code, 1597334677);
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909);
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909);
  return 4294967296 * (2097151 & h2) + (h1 >>> 0);
}
