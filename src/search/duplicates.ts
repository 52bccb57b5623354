import type { StoredChunk } from "../core/ports.ts";

/** Words of a text, without symbol, below which equal texts are chance: `return null;` stands everywhere. */
const FEWEST_WORDS = 20;
/** Share of words in common, of those in either, from which two definitions of one name are copies. */
const NEARLY_ALL = 0.95;

/**
 * Whether showing one is showing the other: chunks of one file that share at least half of the lines that they cover
 * together; in two files, the same text but for white space, or definitions of one name that differ in a few words
 * (vendored and generated copies). Definitions of different names are never copies, however alike.
 */
export function repeats(a: StoredChunk, b: StoredChunk): boolean {
  return a.path === b.path ? overlaps(a, b) : isCopy(a, b);
}

function overlaps(a: StoredChunk, b: StoredChunk): boolean {
  const shared = Math.min(a.endLine, b.endLine) - Math.max(a.startLine, b.startLine) + 1;
  const union = Math.max(a.endLine, b.endLine) - Math.min(a.startLine, b.startLine) + 1;
  // The pieces of one long line have the same line and other text.
  return union > 1 && shared * 2 >= union;
}

function isCopy(a: StoredChunk, b: StoredChunk): boolean {
  if (a.symbol !== b.symbol || a.kind !== b.kind) return false;
  // Cheap, and enough for almost all pairs: 95% of the words cannot be shared where lengths lie so far apart.
  const [shorter, longer] = [a.text.length, b.text.length].sort((one, other) => one - other);
  if ((shorter ?? 0) < 0.8 * (longer ?? 0)) return false;
  const [words, others] = [wordsOf(a.text), wordsOf(b.text)];
  if (a.symbol === null) {
    return (
      words.length >= FEWEST_WORDS &&
      words.length === others.length &&
      words.every((word, i) => word === others[i])
    );
  }
  const [set, other] = [new Set(words), new Set(others)];
  const common = [...set].filter((word) => other.has(word)).length;
  return common >= NEARLY_ALL * (set.size + other.size - common);
}

const wordsOf = (text: string) => text.match(/[\p{L}\p{N}_$]+|[^\s\p{L}\p{N}_$]/gu) ?? [];
