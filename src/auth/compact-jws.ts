import { fromBase64url } from "../core/hash.ts";
import { parseStrictObject } from "./strict-json.ts";

/** Longer tokens are refused unread: ours have some 600 characters. */
const MAX_CHARACTERS = 8192;

/** A signed token in its parts, not yet verified. */
export interface CompactJws {
  header: Record<string, unknown>;
  payload: Uint8Array;
}

/**
 * Reads the compact serialisation (RFC 7515, section 7.1) by the letter: three parts, base64url without padding,
 * white space or stray bits, a header that is a JSON object without doubled names. Null for all else.
 * Extensions (`crit`), unencoded payloads (`b64`), compression and keys that travel in the header are refused too.
 */
export function readCompactJws(token: string): CompactJws | null {
  if (token.length > MAX_CHARACTERS) return null;
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  const [head, payload, signature] = parts.map((part) => fromBase64url(part));
  if (!head || !payload || !signature || signature.length === 0) return null;
  const header = parseStrictObject(head);
  if (header === null || REFUSED_MEMBERS.some((name) => Object.hasOwn(header, name))) return null;
  return { header, payload };
}

const REFUSED_MEMBERS = ["crit", "b64", "zip", "jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256", "enc"];
