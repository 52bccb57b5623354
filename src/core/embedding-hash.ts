import { createHash } from "node:crypto";

/**
 * Identity of a vector: two texts with the same hash have the same vector. By `node:crypto`, whose one call costs less
 * than the promise of WebCrypto's: there is one for each chunk.
 */
export function embedHash(model: string, dimensions: number, text: string): string {
  return createHash("sha256").update(`${model}\0${dimensions}\0${text}`).digest("hex");
}
