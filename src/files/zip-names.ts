import type { ExtraField } from "./zip-records.ts";

/** Code page 437's upper half (APPNOTE.TXT, appendix D: names without the UTF-8 flag). */
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
  "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/** General purpose bit 11: name and comment are UTF-8. */
const UTF8_FLAG = 0x0800;
/** Info-ZIP's Unicode path (APPNOTE.TXT, section 4.6.9): version, CRC-32 of the name that it stands for, UTF-8. */
const UNICODE_PATH = 0x7075;

/**
 * An entry's name: the Unicode path extra field where it belongs to this name, else UTF-8 by the flag, else UTF-8
 * where the bytes are nothing else (most tools that write no flag), else code page 437. Bytes flagged as UTF-8 that
 * are not get U+FFFD and a NUL at the end, which no path may hold.
 */
export function entryName(
  raw: Uint8Array,
  flags: number,
  extra: readonly ExtraField[],
  crc32: (bytes: Uint8Array) => number,
): string {
  for (const { id, bytes } of extra) {
    if (id !== UNICODE_PATH || bytes.length < 6 || bytes[0] !== 1) continue;
    const crc = new DataView(bytes.buffer, bytes.byteOffset, 5).getUint32(1, true);
    if (crc === crc32(raw)) return utf8(bytes.subarray(5)) ?? lossy(bytes.subarray(5));
  }
  const text = utf8(raw);
  if (text !== null) return text;
  return (flags & UTF8_FLAG) !== 0 ? lossy(raw) : cp437(raw);
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function lossy(bytes: Uint8Array): string {
  return `${new TextDecoder().decode(bytes)}\0`;
}

function cp437(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : CP437.charAt(byte - 0x80),
  ).join("");
}
