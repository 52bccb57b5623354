import type { SearchAnswer, SearchHit } from "../client/types.ts";
import type { Context } from "./context.ts";
import { plain } from "./format.ts";
import { marked } from "./hits.ts";

/**
 * The lines that hold a match, as grep prints them: `path:line:text`, and `path-line-text` for those around them, with
 * `--` where lines are left out between.
 * @param around lines that are shown before and after each match.
 */
export function showMatchedLines(context: Context, answer: SearchAnswer, around: number): void {
  const { cyan, green } = context.colors;
  let before: { path: string; line: number } | null = null;
  for (const hit of answer.results) {
    const lines = marked(hit, context.colors.yellow).split("\n");
    const matched = matchedLines(hit);
    for (const [i, line] of lines.entries()) {
      if (!matched.some((at) => Math.abs(at - i) <= around)) continue;
      const number = hit.start_line + i;
      const follows = before?.path === hit.path && before.line === number - 1;
      if (around > 0 && before !== null && !follows) context.print("--");
      const mark = matched.includes(i) ? ":" : "-";
      context.print(`${cyan(plain(hit.path))}${mark}${green(String(number))}${mark}${line}`);
      before = { path: hit.path, line: number };
    }
  }
}

/** Lines of the piece, from 0, on which some of a match stands. */
function matchedLines({ text, highlights }: SearchHit): number[] {
  const lines = new Set<number>();
  for (const { start, end } of highlights) {
    const first = breaksIn(text.slice(0, start));
    const last = first + breaksIn(text.slice(start, end).replace(/\n$/, ""));
    for (let line = first; line <= last; line++) lines.add(line);
  }
  return [...lines];
}

function breaksIn(text: string): number {
  return text.split("\n").length - 1;
}
