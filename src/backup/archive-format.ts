import { z } from "zod";

/**
 * The archive of a backup as docs/backup-format.md describes it: a plain tar of
 * `devflow-backup.json`, numbered parts (each an age file that holds a tar), `manifest.json` and `SHA256SUMS`.
 * Everything but the parts' bytes follows from the manifest, so any damaged byte shows. No I/O.
 */
export const FORMAT = "devflow-backup";
/** Of an archive that holds all of its blobs. */
export const WHOLE_VERSION = 1;
/** The newest: of one that refers to others. */
export const FORMAT_VERSION = 2;
export const HEADER_NAME = "devflow-backup.json";
export const MANIFEST_NAME = "manifest.json";
export const SUMS_NAME = "SHA256SUMS";

const BLOCK = 512;
/** Two blocks of zeros end a tar. */
const END_BYTES = 2 * BLOCK;

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
export const CountsSchema = z.strictObject({
  rows: z.record(z.string().max(100), count),
  blobs: count,
  blobBytes: count,
  vectors: count,
  referred: z.record(z.string().max(100), count).optional(),
});
export type Counts = z.output<typeof CountsSchema>;

export const HeaderSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.int().min(1),
  id: z.string().max(100),
  created_at: z.iso.datetime(),
  devflow: z.string().max(50),
  recipients: z.array(z.string().max(200)).min(1),
});
export type Header = z.output<typeof HeaderSchema>;

export const PartSchema = z.strictObject({
  part: z.int().min(1),
  /** Of the age file. */
  bytes: count,
  sha256: digest,
  /** Of the tar within it. */
  plain_bytes: count,
  plain_sha256: digest,
  counts: CountsSchema,
});
export type Part = z.output<typeof PartSchema>;

export const ManifestSchema = z.strictObject({
  header: HeaderSchema,
  /** Archives that hold what this one refers to. */
  refers_to: z
    .array(z.strictObject({ id: z.string().max(100), manifest_sha256: digest }))
    .min(1)
    .max(1000)
    .optional(),
  parts: z.array(PartSchema).min(1).max(100_000),
  counts: CountsSchema,
});
export type Manifest = z.output<typeof ManifestSchema>;

export function emptyCounts(): Counts {
  return { rows: {}, blobs: 0, blobBytes: 0, vectors: 0 };
}

export function addCounts(into: Counts, more: Counts): Counts {
  const referred = sum(into.referred ?? {}, more.referred ?? {});
  return {
    rows: sum(into.rows, more.rows),
    blobs: into.blobs + more.blobs,
    blobBytes: into.blobBytes + more.blobBytes,
    vectors: into.vectors + more.vectors,
    ...(Object.keys(referred).length > 0 ? { referred } : {}),
  };
}

function sum(into: Record<string, number>, more: Record<string, number>): Record<string, number> {
  const both = { ...into };
  for (const [name, n] of Object.entries(more)) both[name] = (both[name] ?? 0) + n;
  return both;
}

/** Whether two counts say the same; a table that is not named has no rows. */
export function equalCounts(a: Counts, b: Counts): boolean {
  return (
    a.blobs === b.blobs &&
    a.blobBytes === b.blobBytes &&
    a.vectors === b.vectors &&
    equal(a.rows, b.rows) &&
    equal(a.referred ?? {}, b.referred ?? {})
  );
}

function equal(a: Record<string, number>, b: Record<string, number>): boolean {
  return Object.keys({ ...a, ...b }).every((name) => (a[name] ?? 0) === (b[name] ?? 0));
}

/** `part-00001.tar.age` */
export function partName(part: number): string {
  return `part-${String(part).padStart(5, "0")}.tar.age`;
}

/** The manifest as it is written; its digest is of these bytes. */
export function manifestBytes(manifest: Manifest): Uint8Array<ArrayBuffer> {
  return utf8(`${JSON.stringify(manifest, null, 1)}\n`);
}

export function headerBytes(header: Header): Uint8Array<ArrayBuffer> {
  return utf8(`${JSON.stringify(header, null, 1)}\n`);
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}

/** A stretch of the archive: bytes that follow from the manifest, or those of a part. */
export type Segment = { bytes: Uint8Array<ArrayBuffer> } | { part: number; size: number };

/**
 * The whole archive in order.
 * @param sha256 hexadecimal SHA-256 of bytes.
 */
export async function layout(
  manifest: Manifest,
  sha256: (bytes: Uint8Array) => Promise<string>,
): Promise<Segment[]> {
  const at = Math.floor(Date.parse(manifest.header.created_at) / 1000);
  const segments: Segment[] = [];
  const file = (name: string, bytes: Uint8Array<ArrayBuffer>) =>
    segments.push({ bytes: tarHeader(name, bytes.length, at) }, { bytes }, { bytes: padding(bytes.length) });
  const header = headerBytes(manifest.header);
  const written = manifestBytes(manifest);
  file(HEADER_NAME, header);
  for (const { part, bytes } of manifest.parts) {
    segments.push({ bytes: tarHeader(partName(part), bytes, at) }, { part, size: bytes });
    segments.push({ bytes: padding(bytes) });
  }
  file(MANIFEST_NAME, written);
  const sums = [
    `${await sha256(header)}  ${HEADER_NAME}`,
    ...manifest.parts.map((one) => `${one.sha256}  ${partName(one.part)}`),
    `${await sha256(written)}  ${MANIFEST_NAME}`,
  ];
  file(SUMS_NAME, utf8(`${sums.join("\n")}\n`));
  segments.push({ bytes: new Uint8Array(END_BYTES) });
  return segments.filter((segment) => sizeOf(segment) > 0);
}

export function sizeOf(segment: Segment): number {
  return "bytes" in segment ? segment.bytes.length : segment.size;
}

/** A ustar header (POSIX.1-1988) of a plain file, owned by nobody. @param name at most 100 bytes of ASCII. */
export function tarHeader(name: string, size: number, mtimeSeconds: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, offset: number) => block.set(utf8(text), offset);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  if (name.length > 100) throw new Error(`a name in the archive is too long: ${name}`);
  put(name, 0);
  put(octal(0o600, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(mtimeSeconds, 11), 136);
  put(" ".repeat(8), 148); // the checksum is taken with blanks in its place
  put("0", 156);
  put("ustar\u000000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** Zeros up to the next block. */
export function padding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

export const TAR_END: Uint8Array<ArrayBuffer> = new Uint8Array(END_BYTES);
