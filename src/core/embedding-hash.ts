import { createHash } from "node:crypto";

/**
 * Identity of an embedded text: within one collection, two texts with the same hash have the same vector. The model is
 * no part of it, so that chunks keep their ids while their vectors are made anew by another. By `node:crypto`, whose
 * one call costs less than the promise of WebCrypto's: there is one for each chunk.
 */
export function embedHash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Identity of a vector outside of its collection, as a backup holds it: of the model and the text. */
export function vectorHash(model: string, dimensions: number, textHash: string): string {
  return createHash("sha256").update(`${model}\0${dimensions}\0${textHash}`).digest("hex");
}
