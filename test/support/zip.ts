import { crc32, deflateRawSync } from "node:zlib";
import type { RandomAccess } from "../../src/files/stored-object.ts";

/** An entry of a zip that a test makes, and what is to be wrong with it. */
export interface TestZipEntry {
  name: string | Uint8Array;
  content?: string | Uint8Array;
  method?: number;
  flags?: number;
  /** Unix mode, in the upper half of the external attributes. */
  mode?: number;
  extra?: Uint8Array;
  /** Sizes and checksum follow the data. */
  descriptor?: boolean;
  /** Header values instead of the true ones; `local` for the local header alone. */
  claimed?: { bytes?: number; packedBytes?: number; crc?: number; offset?: number };
  local?: { name?: string; bytes?: number; method?: number; flags?: number };
  /** The packed bytes, instead of what is made of the content. */
  packed?: Uint8Array;
}

export interface TestZipOptions {
  zip64?: boolean;
  comment?: string;
  /** Bytes before the first entry, which no offset counts. */
  prefix?: Uint8Array;
  entries?: number;
}

/** A zip, written plainly: PKWARE APPNOTE.TXT, section 4.3. */
export function zip(entries: readonly TestZipEntry[], options: TestZipOptions = {}): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = options.prefix === undefined ? [] : [options.prefix];
  const central: Uint8Array[] = [];
  let at = 0;
  const add = (bytes: Uint8Array) => {
    parts.push(bytes);
    at += bytes.length;
  };
  for (const entry of entries) {
    const offset = at;
    const name = encoded(entry.name);
    const content = encoded(entry.content ?? "");
    const method = entry.method ?? 8;
    const packed = entry.packed ?? (method === 8 ? deflateRawSync(content) : content);
    const extra = entry.extra ?? new Uint8Array(0);
    const flags =
      (entry.flags ?? 0) | (entry.descriptor ? 8 : 0) | (typeof entry.name === "string" ? 0x800 : 0);
    const truth = { bytes: content.length, packedBytes: packed.length, crc: crc32(content), offset };
    const said = { ...truth, ...entry.claimed };
    const localName = entry.local?.name === undefined ? name : encoded(entry.local.name);
    const open = entry.descriptor === true;
    add(
      record(0x04034b50, [
        [2, 20],
        [2, entry.local?.flags ?? flags],
        [2, entry.local?.method ?? method],
        [4, 0],
        [4, open ? 0 : said.crc],
        [4, open ? 0 : said.packedBytes],
        [4, open ? 0 : (entry.local?.bytes ?? said.bytes)],
        [2, localName.length],
        [2, extra.length],
      ]),
    );
    add(localName);
    add(extra);
    add(packed);
    if (open)
      add(
        record(0x08074b50, [
          [4, said.crc],
          [4, said.packedBytes],
          [4, said.bytes],
        ]),
      );
    central.push(
      record(0x02014b50, [
        [2, 0x0314],
        [2, 20],
        [2, flags],
        [2, method],
        [4, 0],
        [4, said.crc],
        [4, said.packedBytes],
        [4, said.bytes],
        [2, name.length],
        [2, extra.length],
        [2, 0],
        [2, 0],
        [2, 0],
        [4, ((entry.mode ?? 0o100644) << 16) >>> 0],
        [4, said.offset],
      ]),
      name,
      extra,
    );
  }
  const directoryAt = at;
  for (const bytes of central) add(bytes);
  const directoryBytes = at - directoryAt;
  const count = options.entries ?? entries.length;
  if (options.zip64) {
    const endAt = at;
    add(
      record(0x06064b50, [
        [8, 44],
        [2, 45],
        [2, 45],
        [4, 0],
        [4, 0],
        [8, count],
        [8, count],
        [8, directoryBytes],
        [8, directoryAt],
      ]),
    );
    add(
      record(0x07064b50, [
        [4, 0],
        [8, endAt],
        [4, 1],
      ]),
    );
  }
  const comment = encoded(options.comment ?? "");
  const short = (value: number) => (options.zip64 ? 0xffff : value);
  const long = (value: number) => (options.zip64 ? 0xffffffff : value);
  add(
    record(0x06054b50, [
      [2, 0],
      [2, 0],
      [2, short(count)],
      [2, short(count)],
      [4, long(directoryBytes)],
      [4, long(directoryAt)],
      [2, comment.length],
    ]),
  );
  add(comment);
  return joined(parts);
}

/** Bytes in memory, with a count of how often and how much was read of them. */
export class ReadBytes implements RandomAccess {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  reads = 0;
  bytesRead = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || offset + length > this.size) throw new Error("read outside of the object");
    this.reads++;
    this.bytesRead += length;
    return this.#bytes.subarray(offset, offset + length);
  }

  async stream(offset: number, length: number): Promise<ReadableStream<Uint8Array>> {
    return new Blob([(await this.read(offset, length)).slice()]).stream();
  }
}

function encoded(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? new TextEncoder().encode(text) : text;
}

function record(signature: number, fields: readonly (readonly [2 | 4 | 8, number])[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 + fields.reduce((sum, [size]) => sum + size, 0)));
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
