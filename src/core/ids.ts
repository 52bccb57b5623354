/** Crockford base32 without I, L, O, U: safe in URLs, file names and when read aloud. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

export type IdPrefix = "ws" | "key" | "job" | "chk" | "evt" | "bak" | "rst" | "syn" | "req" | "jti" | "fbk";

/** Source of randomness: fills the array that it is given. An argument in tests, `crypto` elsewhere. */
export type RandomBytes = (length: number) => Uint8Array;

export const randomBytes: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));

const ID_BYTES = 16;
const IDS_IN_STOCK = 64;

/** Base32 (5 bits a character, no padding) of the bytes. */
export function base32(bytes: Uint8Array): string {
  let out = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      out += ALPHABET[(value >>> (bits - 5)) & 31];
      bits -= 5;
    }
    value &= (1 << bits) - 1;
  }
  if (bits > 0) out += ALPHABET[(value << (5 - bits)) & 31];
  return out;
}

/** A random id such as `ws_5h2k…`: 125 bits in 25 characters after the prefix. */
export function newId(prefix: IdPrefix, random: RandomBytes = randomBytes): string {
  return `${prefix}_${base32(random(ID_BYTES)).slice(0, 25)}`;
}

/** Ids of requests name, and guard nothing: their bytes are taken from a stock, as each call for some costs much. */
export function requestIds(random: RandomBytes = randomBytes): () => string {
  let stock: Uint8Array = new Uint8Array(0);
  let used = 0;
  return () => {
    if (used + ID_BYTES > stock.length) {
      stock = random(ID_BYTES * IDS_IN_STOCK);
      used = 0;
    }
    const id = newId("req", () => stock.subarray(used, used + ID_BYTES));
    used += ID_BYTES;
    return id;
  };
}

/** An id that sorts by time: 10 characters of milliseconds, then 80 random bits. Used where lists are newest first. */
export function newTimeId(prefix: IdPrefix, nowMs: number, random: RandomBytes = randomBytes): string {
  let time = "";
  for (let rest = nowMs, i = 0; i < 10; i++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  return `${prefix}_${time}${base32(random(10))}`;
}

/** Matches ids made by `newId` and `newTimeId`. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && /^[0-9a-hjkmnp-tv-z]{25,26}$/.test(text.slice(prefix.length + 1));
}
