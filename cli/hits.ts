import type { SearchAnswer, SearchHit } from "../client/types.ts";
import type { Context } from "./context.ts";
import { plain } from "./format.ts";

/** Lines of one piece of code that are shown; `--lines` changes it. */
export const SHOWN_LINES = 8;

/** `path:line` first in its line, which terminals and editors make clickable. */
export function showHits(context: Context, answer: SearchAnswer, maxLines: number): void {
  for (const hit of answer.results) context.print(`${hitText(context, hit, maxLines)}\n`);
}

/** What is to be known of an answer beside its results. */
export function showNotes(context: Context, answer: SearchAnswer): void {
  const { yellow, dim } = context.colors;
  if (answer.results.length === 0) context.note("Nothing was found.");
  if (answer.degraded?.includes("vector"))
    context.note(yellow("Found by words alone: the vector index does not answer."));
  if (answer.index.pending_files > 0) {
    context.note(yellow(`${answer.index.pending_files} files are not indexed yet.`));
  }
  if (answer.next_cursor !== null) context.note(dim(`More: --cursor ${answer.next_cursor}`));
}

function hitText({ colors }: Context, hit: SearchHit, maxLines: number): string {
  const { bold, cyan, dim } = colors;
  const name =
    hit.symbol === null ? "" : `  ${hit.kind} ${hit.parent === null ? "" : `${hit.parent}.`}${hit.symbol}`;
  const head = `${bold(cyan(plain(`${hit.path}:${hit.start_line}`)))}${dim(plain(name))}  ${dim(hit.score.toFixed(2))}`;
  const first = firstShownLine(hit, maxLines);
  const lines = marked(hit, colors.yellow).split("\n");
  const shown = lines.slice(first, first + maxLines);
  const width = String(hit.start_line + first + shown.length).length;
  const body = shown.map((line, i) => `${dim(String(hit.start_line + first + i).padStart(width))} ${line}`);
  const rest = lines.length - first - shown.length;
  return [
    head,
    ...body,
    ...(rest > 0 ? [dim(`${" ".repeat(width)} … ${rest} more ${rest === 1 ? "line" : "lines"}`)] : []),
  ].join("\n");
}

/** The top of the piece, unless what was looked for stands further down. */
function firstShownLine({ text, highlights }: SearchHit, maxLines: number): number {
  const [first] = highlights;
  if (first === undefined) return 0;
  const line = text.slice(0, first.start).split("\n").length - 1;
  return line < maxLines ? 0 : Math.max(0, line - Math.floor(maxLines / 3));
}

/** The text with its highlights coloured; a highlight over several lines is coloured line by line. */
export function marked({ text, highlights }: SearchHit, color: (text: string) => string): string {
  let result = "";
  let at = 0;
  for (const { start, end } of highlights) {
    if (start < at) continue;
    result += plain(text.slice(at, start));
    result += plain(text.slice(start, end))
      .split("\n")
      .map((part) => (part === "" ? "" : color(part)))
      .join("\n");
    at = end;
  }
  return result + plain(text.slice(at));
}
