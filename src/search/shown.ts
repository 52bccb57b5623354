import { base64url, fromBase64url } from "../core/hash.ts";
import type { Ranked } from "./fuse.ts";

/**
 * What earlier pages of a ranking used up, carried by the cursor: a later search ranks anew, and files that came in
 * meanwhile move everything. Three bytes for each chunk, so that 600 fit into a cursor of 4,096 characters; a chunk
 * that shares its three bytes with one of them is passed over, once in some 28,000 at the most.
 */
const KEY_BYTES = 3;

/** The ranking with what was shown in front, in its order; `offset` tells how many those are. */
export function resumed(ranking: Ranked[], shown: string): { ranking: Ranked[]; offset: number } {
  if (shown === "") return { ranking, offset: 0 };
  const keys = unpacked(shown);
  const before: Ranked[] = [];
  const rest: Ranked[] = [];
  for (const entry of ranking) {
    // No bound of scores ends the walk at what was shown already.
    if (keys.has(keyOf(entry.id))) before.push({ ...entry, score: 1 });
    else rest.push(entry);
  }
  return { ranking: [...before, ...rest], offset: before.length };
}

/** The first places, and what was shown before although it is ranked no more. */
export function packed(ranking: readonly Ranked[], places: number, shown: string): string {
  const keys = unpacked(shown);
  for (const { id } of ranking.slice(0, places)) keys.add(keyOf(id));
  const bytes = new Uint8Array(keys.size * KEY_BYTES);
  [...keys].forEach((key, i) => {
    bytes.set([key >>> 16, (key >>> 8) & 255, key & 255], i * KEY_BYTES);
  });
  return base64url(bytes);
}

function unpacked(shown: string): Set<number> {
  const bytes = fromBase64url(shown) ?? new Uint8Array();
  const keys = new Set<number>();
  for (let i = 0; i + KEY_BYTES <= bytes.length; i += KEY_BYTES) {
    keys.add(((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0));
  }
  return keys;
}

/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), folded to 24 bits as its authors do. */
function keyOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return ((hash >>> 24) ^ hash) & 0xffffff;
}
