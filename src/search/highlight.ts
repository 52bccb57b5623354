import { tokensOf } from "../core/terms.ts";
import { stemOf } from "./lexical-query.ts";

/** Half-open, in UTF-16 units of the text. */
export interface Highlight {
  start: number;
  end: number;
}

/** More would mark everything and help nobody. */
const MAX_HIGHLIGHTS = 100;

/**
 * Where the text holds what was looked for: whole identifiers, else those of their words that match. In order,
 * without overlap; words that touch are one.
 */
export function highlightsOf(text: string, stems: ReadonlySet<string>): Highlight[] {
  const highlights: Highlight[] = [];
  if (stems.size === 0) return highlights;
  const known = new Map<string, boolean>();
  const matches = (word: string) => {
    const before = known.get(word);
    if (before !== undefined) return before;
    const found = stems.has(stemOf(word));
    known.set(word, found);
    return found;
  };
  for (const { words, whole, start, end } of tokensOf(text)) {
    const ranges =
      whole !== null && matches(whole) ? [{ start, end }] : words.filter(({ word }) => matches(word));
    for (const range of ranges) {
      const last = highlights.at(-1);
      if (last && range.start <= last.end) last.end = Math.max(last.end, range.end);
      else if (highlights.length === MAX_HIGHLIGHTS) return highlights;
      else highlights.push({ start: range.start, end: range.end });
    }
  }
  return highlights;
}
