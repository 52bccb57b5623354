import { sha256Hex } from "./hash.ts";

/** Identity of a vector: two texts with the same hash have the same vector. */
export function embedHash(model: string, dimensions: number, text: string): Promise<string> {
  return sha256Hex(`${model}\0${dimensions}\0${text}`);
}
