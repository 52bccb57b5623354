import { hex, sha256Hex } from "../core/hash.ts";
import { type RandomBytes, randomBytes } from "../core/ids.ts";

/**
 * `dvf_` + 43 base62 characters of 32 random bytes + 6 base62 characters of the CRC-32 of what stands before.
 * The prefix lets secret scanners find a leaked key; the checksum refuses typing errors and guesses
 * without a database read. Only a SHA-256 digest is stored: with 256 random bits, a slow hash adds nothing.
 */
const PREFIX = "dvf_";
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARACTERS = 43;
const CHECKSUM_CHARACTERS = 6;
const PATTERN = /^dvf_[0-9A-Za-z]{49}$/;

/** A new key. It is shown once and never stored. */
export function generateApiKey(random: RandomBytes = randomBytes): string {
  const body = PREFIX + base62(BigInt(`0x${hex(random(32))}`), RANDOM_CHARACTERS);
  return body + checksum(body);
}

/** Whether the text has the form of a key and its checksum holds. Costs no I/O. */
export function isWellFormedApiKey(text: string): boolean {
  if (!PATTERN.test(text)) return false;
  return checksum(text.slice(0, -CHECKSUM_CHARACTERS)) === text.slice(-CHECKSUM_CHARACTERS);
}

/** What is stored of a key, and looked up by: 64 hexadecimal digits. */
export function digestApiKey(key: string): Promise<string> {
  return sha256Hex(key);
}

/** What is shown of a key to recognise it by: 12 characters, 8 of them random. */
export function displayPrefix(key: string): string {
  return key.slice(0, 12);
}

function checksum(body: string): string {
  return base62(BigInt(crc32(new TextEncoder().encode(body))), CHECKSUM_CHARACTERS);
}

function base62(value: bigint, length: number): string {
  let out = "";
  for (let rest = value; out.length < length; rest /= 62n) out = BASE62[Number(rest % 62n)] + out;
  return out;
}

/** The remainders of all bytes: eight steps of the division at once. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  }
  return remainder;
});

/** CRC-32 as in ISO 3309 and zlib (reflected, polynomial 0xEDB88320). */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
