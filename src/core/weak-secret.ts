/** Used where `wrangler dev` is started by hand, without `npm start`; refused elsewhere. */
export const DEVELOPMENT_SECRETS = {
  ROOT_API_KEY: "development-root-key-not-for-production-0000",
  JWT_SECRET: "development-jwt-secret-not-for-production-00",
} as const;

/** Bytes of randomness that are asked for (RFC 7518, section 3.2: at least the size of the hash). */
const MIN_BYTES = 32;

/** Words of secrets that stand in documentation, templates and password lists; refused wherever they turn up. */
const WORDS = [
  "secret",
  "change-me",
  "change_me",
  "changeme",
  "changeit",
  "password",
  "passw0rd",
  "passphrase",
  "letmein",
  "qwerty",
  "default",
  "development",
  "production",
  "staging",
  "example",
  "placeholder",
  "replace",
  "insecure",
  "keyboard",
  "your-",
  "your_",
  "devflow",
  "dummy",
  "admin",
  "deadbeef",
  "cafebabe",
  "00000000",
  "11111111",
  "12345678",
  "abcdefgh",
];

/** Long enough, random-looking, and published: keys of RFC 7515 (A.1), RFC 7520 (3.5) and RFC 4231. */
const PUBLISHED = new Set([
  "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
  "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
  "FdFYFzERwC2uCBB46pZQi4GG85LujR8obt-KWRBICVQ",
]);

/** Why a secret is refused, in words that hold no part of it; or null. Random: base64url or hexadecimal. */
export function weakness(value: string): string | null {
  if (value === "") return "is missing";
  if (Object.values(DEVELOPMENT_SECRETS).some((known) => known === value)) return "is a development default";
  const lower = value.toLowerCase();
  if (PUBLISHED.has(value.replace(/=+$/, "")) || WORDS.some((word) => lower.includes(word))) {
    return "is well known";
  }
  const bare = value.replace(/={1,2}$/, "");
  const isHex = /^[0-9a-f]+$|^[0-9A-F]+$/.test(bare);
  const bytes = isHex ? Math.floor(bare.length / 2) : Math.floor((bare.length * 6) / 8);
  if (!/^[A-Za-z0-9_-]+$/.test(bare) || bytes < MIN_BYTES) {
    return `is shorter than ${MIN_BYTES} random bytes (base64url or hexadecimal)`;
  }
  return looksRandom(bare, isHex) ? null : "is not random";
}

/** Refuses nothing that 32 random bytes make more often than once in a thousand million. */
function looksRandom(text: string, isHex: boolean): boolean {
  if (new Set(text).size < (isHex ? 8 : 16)) return false;
  // Base64url of random bytes has small and capital letters: words alone, or a sentence, have one kind.
  if (!isHex && !(/[a-z]/.test(text) && /[A-Z]/.test(text))) return false;
  if (isRepetition(text) || isPrintable(text, isHex)) return false;
  let steps = 0;
  for (let i = 1; i < text.length; i++) {
    const step = text.charCodeAt(i) - text.charCodeAt(i - 1);
    if (step >= -1 && step <= 1) steps++;
  }
  return steps < text.length / 2;
}

/** Whether the text is a shorter one over and over: then it stands within its own double, moved. */
function isRepetition(text: string): boolean {
  return (text + text).indexOf(text, 1) < text.length;
}

/** Whether the bytes that the text encodes are a text again: somebody encoded words. */
function isPrintable(text: string, isHex: boolean): boolean {
  const bytes = isHex
    ? Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
    : Array.from(atob(padded(text)), (character) => character.charCodeAt(0));
  return bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
}

function padded(text: string): string {
  const whole = text.length % 4 === 1 ? text.slice(0, -1) : text;
  return whole.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (whole.length % 4)) % 4);
}
