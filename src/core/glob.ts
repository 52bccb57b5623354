import { compileWildmatch } from "./wildmatch.ts";

/**
 * Glob patterns over `/`-separated paths, without translating them to RegExp: callers send the patterns, and
 * backtracking would let one of them occupy the Worker.
 * `*` any run within a segment · `**` as a whole segment any number of segments · `?` one character · `[a-z]`, `[!a]`
 * · `{a,b}` alternatives · `\` takes the next character literally. Dot files match like others. A pattern without `/`
 * matches the file name at any depth; a trailing `/` matches everything below; a leading `/` anchors.
 */
export interface Glob {
  matches(path: string): boolean;
  /** Characters of all its alternatives: a match takes at most so many steps for each character of the path. */
  cost: number;
}

/** Alternatives that `{…}` may multiply out to. */
const MAX_ALTERNATIVES = 64;

/** Null where the pattern is malformed: an open `[` or `{`, a last `\`, or more alternatives than can be tried. */
export function compileGlob(pattern: string): Glob | null {
  const alternatives = expandBraces(pattern.normalize("NFC"));
  if (alternatives === null) return null;
  const programs = alternatives.flatMap((one) => compileWildmatch(anchored(one)) ?? []);
  if (programs.length < alternatives.length) return null;
  return {
    matches: (path) => programs.some((matches) => matches(path)),
    cost: alternatives.reduce((sum, { length }) => sum + length, 0),
  };
}

function anchored(pattern: string): string {
  const below = pattern.endsWith("/") ? `${pattern}**` : pattern;
  if (below.startsWith("/")) return below.slice(1);
  const inner = pattern.replace(/\/$/, "");
  return inner.includes("/") ? below : `**/${below}`;
}

/** `a{b,c{d,e}}` → `ab`, `acd`, `ace`; null where a brace is open or there are too many. */
function expandBraces(pattern: string): string[] | null {
  const open = findUnescaped(pattern, "{", 0);
  if (open < 0) return [pattern];
  const parts: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let i = open; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === "\\") i++;
    else if (char === "{") depth++;
    else if (char === "," && depth === 1) {
      parts.push(pattern.slice(start, i));
      start = i + 1;
    } else if (char === "}" && --depth === 0) {
      parts.push(pattern.slice(start, i));
      return combine(pattern.slice(0, open), parts, pattern.slice(i + 1));
    }
  }
  return null;
}

function combine(before: string, parts: string[], after: string): string[] | null {
  const tails = expandBraces(after);
  if (tails === null) return null;
  const out: string[] = [];
  for (const part of parts) {
    const middles = expandBraces(part);
    if (middles === null || out.length + middles.length * tails.length > MAX_ALTERNATIVES) return null;
    for (const middle of middles) for (const tail of tails) out.push(before + middle + tail);
  }
  return out;
}

function findUnescaped(text: string, wanted: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === wanted) return i;
  }
  return -1;
}
