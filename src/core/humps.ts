import { splitIdentifier } from "./identifiers.ts";

/** The words of a name in any convention, lower-cased: `getUserByName`, `get_user_by_name`, `get-user-by-name`. */
export function wordsOfName(name: string): string[] {
  return name
    .split(/[^\p{L}\p{N}_$]+/u)
    .flatMap(splitIdentifier)
    .filter((word) => word !== "");
}

/** The first characters of a name's words: `getUserByName` → gubn. Empty for one word, which a prefix finds. */
export function humpsOf(name: string): string {
  const words = wordsOfName(name);
  return words.length < 2 ? "" : words.map((word) => [...word][0] ?? "").join("");
}

/**
 * What a query asks of each word of a name, in order: `gUBN` → g u b n, `getUsBN` → get us b n, `get_u` → get u.
 * Text in one case is the first characters, if it is anything: `gubn` → g u b n.
 */
export function humpsAsked(query: string): string[] {
  const spaced = query.replaceAll(/(\p{Lu})/gu, " $1").split(/[^\p{L}\p{N}]+/u);
  const humps = spaced.filter((hump) => hump !== "").map((hump) => hump.toLowerCase());
  return humps.length > 1 ? humps : [...(humps[0] ?? "")];
}

/** Whether each hump begins a word of the name, from the first on, without a gap. */
export function hasHumps(name: string, humps: readonly string[]): boolean {
  const words = wordsOfName(name);
  return humps.every((hump, i) => words[i]?.startsWith(hump) === true);
}
