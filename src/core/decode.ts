import { analyse } from "chardet";

/** `encoding` is a label of the WHATWG Encoding standard. The text holds no byte order mark. */
export type Decoded =
  | { ok: true; text: string; encoding: string }
  | { ok: false; reason: "binary" | "unsupported_encoding" };

const BINARY: Decoded = { ok: false, reason: "binary" };
const UNSUPPORTED: Decoded = { ok: false, reason: "unsupported_encoding" };

/** Bytes shown to the detector: enough for its statistics, bounded for its time. */
const SAMPLE_BYTES = 16 * 1024;
/** A guess below this confidence (0..100) is worth less than the most common legacy encoding. */
const MIN_CONFIDENCE = 30;
/** Text holds hardly any control characters; compressed and compiled data about a tenth. */
const MAX_CONTROL_SHARE = 0.02;

/**
 * The text of a file, whatever it is encoded in: byte order marks, strict UTF-8, UTF-16 without a mark,
 * then the legacy encodings by statistics, and windows-1252 where these say nothing.
 * Never throws, never puts U+FFFD where bytes were.
 */
export function decodeText(bytes: Uint8Array): Decoded {
  const marked = byteOrderMark(bytes);
  if (marked === "unsupported") return UNSUPPORTED;
  if (marked !== null) {
    const text = decode(bytes, marked);
    if (text === null) return UNSUPPORTED;
    return isText(text) ? { ok: true, text, encoding: marked } : BINARY;
  }
  if (bytes.includes(0)) return decodeUtf16(bytes) ?? BINARY;
  const iso2022 = decodeIso2022(bytes);
  if (iso2022 !== null) return iso2022;
  const utf8 = decode(bytes, "utf-8");
  if (utf8 !== null) return isText(utf8) ? { ok: true, text: utf8, encoding: "utf-8" } : BINARY;
  return decodeLegacy(bytes);
}

/** Null: there is no mark. UTF-32 is known by its mark, and no platform decodes it. */
function byteOrderMark(bytes: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" | "unsupported" | null {
  const [a, b, c, d] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return "utf-8";
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 ? "unsupported" : "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return "unsupported";
  return null;
}

/** UTF-16 without a mark: the NUL bytes of its ASCII stand at odd offsets (little-endian) or at even ones. */
function decodeUtf16(bytes: Uint8Array): Decoded | null {
  if (bytes.length % 2 !== 0) return null;
  let even = 0;
  let odd = 0;
  for (let i = bytes.indexOf(0); i >= 0; i = bytes.indexOf(0, i + 1)) {
    if (i % 2 === 0) even++;
    else odd++;
  }
  const encoding = odd > even ? "utf-16le" : "utf-16be";
  const text = decode(bytes, encoding);
  // Stricter than where a mark or strict UTF-8 vouches for the encoding: here the text alone does.
  const plausible = text !== null && controlShare(text) <= MAX_CONTROL_SHARE && isAssigned(text);
  return plausible ? { ok: true, text, encoding } : null;
}

/** ISO-2022 is ASCII with escape sequences, so it would pass as UTF-8. */
function decodeIso2022(bytes: Uint8Array): Decoded | null {
  for (let i = bytes.indexOf(0x1b); i >= 0; i = bytes.indexOf(0x1b, i + 1)) {
    if (bytes[i + 1] !== 0x24) continue;
    const third = bytes[i + 2];
    if (third === 0x40 || third === 0x42) {
      const text = decode(bytes, "iso-2022-jp");
      return text === null ? null : { ok: true, text, encoding: "iso-2022-jp" };
    }
    // `ESC $ )` designates the Korean and Chinese sets, which the Encoding standard dropped as unsafe.
    if (third === 0x29) return UNSUPPORTED;
  }
  return null;
}

function decodeLegacy(bytes: Uint8Array): Decoded {
  let controls = 0;
  for (const byte of bytes) if (isControlByte(byte)) controls++;
  if (controls > bytes.length * MAX_CONTROL_SHARE) return BINARY;
  for (const { name, confidence } of analyse(sampleOf(bytes))) {
    if (confidence < MIN_CONFIDENCE) break;
    const encoding = name.toLowerCase();
    if (encoding.startsWith("utf-") || encoding === "ascii") continue;
    const text = decode(bytes, encoding);
    if (text !== null && !hasC1(text)) return { ok: true, text, encoding: labelOf(encoding) };
  }
  const text = decode(bytes, "windows-1252");
  return text === null || hasC1(text) ? BINARY : { ok: true, text, encoding: "windows-1252" };
}

/** The lines around bytes beyond ASCII: a long file may have its first accent far from its beginning. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= SAMPLE_BYTES) return bytes;
  const sample = new Uint8Array(SAMPLE_BYTES);
  let length = 0;
  for (let i = 0; i < bytes.length && length < SAMPLE_BYTES; i++) {
    if ((bytes[i] ?? 0) < 0x80) continue;
    const end = Math.min(bytes.length, i + 64);
    const piece = bytes.subarray(Math.max(0, i - 8), end).subarray(0, SAMPLE_BYTES - length);
    sample.set(piece, length);
    length += piece.length;
    i = end;
  }
  return sample.subarray(0, length);
}

function decode(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    // Either malformed in this encoding, or a label that the platform does not know: not this one.
    return null;
  }
}

/** In the Encoding standard these names are labels of their windows supersets. */
function labelOf(encoding: string): string {
  if (encoding === "iso-8859-1") return "windows-1252";
  return encoding === "iso-8859-9" ? "windows-1254" : encoding;
}

function isControlByte(byte: number): boolean {
  return byte === 0x7f || (byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1b);
}

/** A short text may hold a single control character, too. */
function isText(text: string): boolean {
  return controlShare(text) <= Math.max(MAX_CONTROL_SHARE, 1 / text.length);
}

/** Share of control characters, 0..1; infinite where there is a NUL. */
function controlShare(text: string): number {
  let controls = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0) return Number.POSITIVE_INFINITY;
    if (code < 0x80 && isControlByte(code)) controls++;
  }
  return controls / Math.max(text.length, 1);
}

/** Numbers read as UTF-16 give characters that do not exist; real text has none. */
function isAssigned(text: string): boolean {
  return !/[\p{Cn}\p{Co}]/u.test(text);
}

/** C1 controls: what a wrong single-byte guess turns letters into. U+0085 is a line end. */
function hasC1(text: string): boolean {
  return /[\u0080-\u0084\u0086-\u009f]/.test(text);
}
