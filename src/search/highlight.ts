import { tokensOf } from "../core/terms.ts";
import { rememberingStems } from "./lexical-query.ts";

/** Half-open, in UTF-16 units of the text. */
export interface Highlight {
  start: number;
  end: number;
}

/** More would mark everything and help nobody. */
const MAX_HIGHLIGHTS = 100;

/**
 * Marks, in one text after another, what was looked for: whole identifiers, else those of their words that match. In
 * order, without overlap; words that touch are one.
 */
export function highlighter(stems: ReadonlySet<string>): (text: string) => Highlight[] {
  const stemOf = rememberingStems();
  return (text) => (stems.size === 0 ? [] : highlightsOf(text, (word) => stems.has(stemOf(word))));
}

function highlightsOf(text: string, matches: (word: string) => boolean): Highlight[] {
  const highlights: Highlight[] = [];
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
