import { LIMITS } from "../core/limits.ts";
import { ArchiveError } from "./archive-entry.ts";
import type { RandomAccess } from "./stored-object.ts";

/** The records of a zip (PKWARE APPNOTE.TXT 6.3.10, section 4.3) as they stand in the file, strictly read. */

/** Of the extensible data of a header (section 4.5). */
export interface ExtraField {
  id: number;
  bytes: Uint8Array;
}

/** The end of central directory record, with its zip64 form where one is needed. */
export interface ZipEnd {
  entries: number;
  directoryOffset: number;
  directoryBytes: number;
}

/** A local or central header: what both of them say. */
export interface ZipHeader {
  flags: number;
  method: number;
  crc: number;
  packedBytes: number;
  bytes: number;
  name: Uint8Array;
  extra: readonly ExtraField[];
  /** Bytes that the header takes. */
  length: number;
}

export interface CentralHeader extends ZipHeader {
  /** Of the local header. */
  offset: number;
  /** Upper four bits of the Unix mode; 0 where there is none. */
  fileType: number;
}

const END = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const LOCATOR64 = 0x07064b50;
const LOCATOR64_BYTES = 20;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
export const LOCAL_BYTES = 30;
const ZIP64 = 0x0001;
const MAX16 = 0xffff;
const MAX32 = 0xffffffff;

/** Errors: `ArchiveError`. */
export async function readEnd(file: RandomAccess): Promise<ZipEnd> {
  const tailBytes = Math.min(file.size, END_BYTES + MAX_COMMENT_BYTES);
  const tailAt = file.size - tailBytes;
  const tail = viewOf(await file.read(tailAt, tailBytes));
  let at = tailBytes - END_BYTES;
  let seen = false;
  for (; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    seen = true;
    if (at + END_BYTES + tail.getUint16(at + 20, true) === tailBytes) break;
  }
  if (at < 0) {
    throw new ArchiveError(
      seen
        ? "The zip does not end where its end record says: there are bytes after it, or some are missing."
        : "There is no end of central directory record: this is no zip, or it is truncated.",
    );
  }
  const end = { at: tailAt + at, ...endFields(tail, at) };
  const wide =
    end.entries === MAX16 ||
    end.directoryBytes === MAX32 ||
    end.directoryOffset === MAX32 ||
    end.disk === MAX16;
  const read = wide ? await readEnd64(file, end.at) : end;
  if (read.disk !== 0 || read.directoryDisk !== 0 || read.diskEntries !== read.entries) {
    throw new ArchiveError("The zip is one part of several; join them into one file.");
  }
  if (read.directoryOffset + read.directoryBytes !== read.at) {
    throw new ArchiveError("The central directory is not where the zip's end record says.");
  }
  if (read.entries > LIMITS.archiveEntries) {
    throw new ArchiveError(`The archive has over ${LIMITS.archiveEntries} entries.`);
  }
  if (read.entries * CENTRAL_BYTES > read.directoryBytes) {
    throw new ArchiveError("The central directory is too small for its entries.");
  }
  const { entries, directoryOffset, directoryBytes } = read;
  return { entries, directoryOffset, directoryBytes };
}

interface EndFields extends ZipEnd {
  at: number;
  disk: number;
  directoryDisk: number;
  diskEntries: number;
}

function endFields(view: DataView, at: number): Omit<EndFields, "at"> {
  return {
    disk: view.getUint16(at + 4, true),
    directoryDisk: view.getUint16(at + 6, true),
    diskEntries: view.getUint16(at + 8, true),
    entries: view.getUint16(at + 10, true),
    directoryBytes: view.getUint32(at + 12, true),
    directoryOffset: view.getUint32(at + 16, true),
  };
}

async function readEnd64(file: RandomAccess, endAt: number): Promise<EndFields> {
  const missing = () =>
    new ArchiveError("The zip64 end of central directory record is missing or malformed.");
  const locatorAt = endAt - LOCATOR64_BYTES;
  if (locatorAt < END64_BYTES) throw missing();
  const locator = viewOf(await file.read(locatorAt, LOCATOR64_BYTES));
  if (locator.getUint32(0, true) !== LOCATOR64) throw missing();
  const at = safe(locator.getBigUint64(8, true));
  if (at + END64_BYTES > locatorAt) throw missing();
  const view = viewOf(await file.read(at, END64_BYTES));
  if (view.getUint32(0, true) !== END64) throw missing();
  if (at + 12 + safe(view.getBigUint64(4, true)) !== locatorAt) throw missing();
  return {
    at,
    disk: view.getUint32(16, true),
    directoryDisk: view.getUint32(20, true),
    diskEntries: safe(view.getBigUint64(24, true)),
    entries: safe(view.getBigUint64(32, true)),
    directoryBytes: safe(view.getBigUint64(40, true)),
    directoryOffset: safe(view.getBigUint64(48, true)),
  };
}

/** Errors: `ArchiveError`. @param limit where the directory ends. */
export async function readCentral(file: RandomAccess, at: number, limit: number): Promise<CentralHeader> {
  const broken = () => new ArchiveError(`The central directory is damaged at byte ${at}.`);
  if (at + CENTRAL_BYTES > limit) throw broken();
  const fixed = viewOf(await file.read(at, CENTRAL_BYTES));
  if (fixed.getUint32(0, true) !== CENTRAL) throw broken();
  const nameBytes = fixed.getUint16(28, true);
  const extraBytes = fixed.getUint16(30, true);
  const length = CENTRAL_BYTES + nameBytes + extraBytes + fixed.getUint16(32, true);
  if (at + length > limit) throw broken();
  const header = {
    flags: fixed.getUint16(8, true),
    method: fixed.getUint16(10, true),
    crc: fixed.getUint32(16, true),
    packedBytes: fixed.getUint32(20, true),
    bytes: fixed.getUint32(24, true),
    disk: fixed.getUint16(34, true),
    fileType: fixed.getUint32(38, true) >>> 28,
    offset: fixed.getUint32(42, true),
  };
  const rest = await file.read(at + CENTRAL_BYTES, nameBytes + extraBytes);
  const extra = extraFields(rest.subarray(nameBytes));
  if (extra === null) throw new ArchiveError(`An extra field is longer than its header says, at byte ${at}.`);
  const wide = zip64Values(extra, [header.bytes, header.packedBytes, header.offset]);
  if (wide === null) throw new ArchiveError(`A zip64 extra field lacks a value, at byte ${at}.`);
  const [bytes = 0, packedBytes = 0, offset = 0] = wide;
  if (header.disk !== 0 && header.disk !== MAX16) {
    throw new ArchiveError("The zip is one part of several; join them into one file.");
  }
  return { ...header, bytes, packedBytes, offset, name: rest.slice(0, nameBytes), extra, length };
}

/** Errors: `ArchiveError`. @param limit where the directory begins. */
export async function readLocal(file: RandomAccess, at: number, limit: number): Promise<ZipHeader> {
  const broken = () => new ArchiveError(`There is no local file header at byte ${at}.`);
  if (at + LOCAL_BYTES > limit) throw broken();
  const fixed = viewOf(await file.read(at, LOCAL_BYTES));
  if (fixed.getUint32(0, true) !== LOCAL) throw broken();
  const nameBytes = fixed.getUint16(26, true);
  const extraBytes = fixed.getUint16(28, true);
  const length = LOCAL_BYTES + nameBytes + extraBytes;
  if (at + length > limit) throw broken();
  const header = {
    flags: fixed.getUint16(6, true),
    method: fixed.getUint16(8, true),
    crc: fixed.getUint32(14, true),
    packedBytes: fixed.getUint32(18, true),
    bytes: fixed.getUint32(22, true),
  };
  const rest = await file.read(at + LOCAL_BYTES, nameBytes + extraBytes);
  // Some tools pad local headers with bytes that are no field.
  const extra = extraFields(rest.subarray(nameBytes)) ?? [];
  const [bytes = 0, packedBytes = 0] = zip64Values(extra, [header.bytes, header.packedBytes]) ?? [
    header.bytes,
    header.packedBytes,
  ];
  return { ...header, bytes, packedBytes, name: rest.slice(0, nameBytes), extra, length };
}

/** Null where a field reaches past the end. */
function extraFields(bytes: Uint8Array): ExtraField[] | null {
  const fields: ExtraField[] = [];
  const view = viewOf(bytes);
  let at = 0;
  while (at + 4 <= bytes.length) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > bytes.length) return null;
    fields.push({ id: view.getUint16(at, true), bytes: bytes.slice(at + 4, end) });
    at = end;
  }
  return fields;
}

/** The values, those that are all ones read from the zip64 field in turn; null where it has too few. */
function zip64Values(extra: readonly ExtraField[], values: number[]): number[] | null {
  if (!values.includes(MAX32)) return values;
  const field = extra.find(({ id }) => id === ZIP64);
  const view = field === undefined ? null : viewOf(field.bytes);
  let at = 0;
  const wide: number[] = [];
  for (const value of values) {
    if (value !== MAX32) wide.push(value);
    else {
      if (view === null || at + 8 > view.byteLength) return null;
      wide.push(safe(view.getBigUint64(at, true)));
      at += 8;
    }
  }
  return wide;
}

/** No archive that is taken is as long as that. */
function safe(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
