import type { Chunk } from "../core/chunk.ts";
import { isLeadSurrogate } from "../core/surrogates.ts";
import { estimateTokens } from "../core/tokens.ts";

export interface LineChunkOptions {
  /** Estimated tokens of one chunk at most. */
  maxTokens: number;
  /** Share of `maxTokens` that a chunk repeats of the one before, where the cut fell inside a block: 0..0.5. */
  overlap?: number;
}

/** Share of a full chunk below which a cut is not looked for: chunks stay of comparable size. */
const SMALLEST_SHARE = 0.4;
const DEFAULT_OVERLAP = 0.15;
/** Columns that a tab counts for, as indentation. */
const TAB = 4;

/**
 * Cuts source into chunks of whole lines. A cut is placed, in the last part of what fits, where the code comes back
 * furthest to the left, best after a blank line. A line that does not fit is cut by itself, between identifiers;
 * its pieces share its line number. Chunks of white space alone are left out: every other line is in a chunk.
 */
export function chunkLines(source: string, options: LineChunkOptions): Chunk[] {
  const { maxTokens, overlap = DEFAULT_OVERLAP } = options;
  const lines = splitLines(source);
  const costs = lines.map((line) => estimateTokens(line) + 1 / 16);
  const chunks: Chunk[] = [];
  let start = 0;
  while (start < lines.length) {
    if ((costs[start] ?? 0) > maxTokens) {
      for (const piece of splitLine(lines[start] ?? "", maxTokens)) push(chunks, piece, start, start);
      start++;
      continue;
    }
    const fit = lastThatFits(costs, start, maxTokens);
    const end = fit + 1 >= lines.length ? fit : bestCut(lines, costs, start, fit, maxTokens);
    push(chunks, lines.slice(start, end + 1).join("\n"), start, end);
    start = end + 1 >= lines.length ? lines.length : nextStart(lines, costs, start, end, maxTokens * overlap);
  }
  return chunks;
}

/** Lines without their LF; the empty rest after a last LF is no line. A CR stays, as part of the text. */
function splitLines(source: string): string[] {
  const lines = source.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function push(chunks: Chunk[], text: string, start: number, end: number): void {
  if (text.trim() === "") return;
  const unnamed = { kind: "block", symbol: null, parent: null, signature: null, doc: null } as const;
  chunks.push({ startLine: start + 1, endLine: end + 1, ...unnamed, definitions: [], text });
}

/** Index of the last line such that the lines from `start` stay within the bound; at least `start`. */
function lastThatFits(costs: number[], start: number, maxTokens: number): number {
  let sum = costs[start] ?? 0;
  let end = start;
  while (end + 1 < costs.length && sum + (costs[end + 1] ?? 0) <= maxTokens) sum += costs[++end] ?? 0;
  return end;
}

/** Index of the line to end with: of the candidates, the one whose next line stands furthest left; later wins ties. */
function bestCut(lines: string[], costs: number[], start: number, fit: number, maxTokens: number): number {
  let best = fit;
  let bestScore = Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let end = start; end <= fit; end++) {
    sum += costs[end] ?? 0;
    if (sum < maxTokens * SMALLEST_SHARE && end !== fit) continue;
    const score = cutScore(lines, end);
    if (score <= bestScore) {
      best = end;
      bestScore = score;
    }
  }
  return best;
}

/** Lower is better: columns of indentation of what follows the cut, less where a blank line marks it. */
function cutScore(lines: string[], end: number): number {
  const next = lines[end + 1] ?? "";
  // A blank line ends the chunk before it rather than opening the next.
  if (isBlank(next)) return Number.POSITIVE_INFINITY;
  const closing = /^\s*[)\]}]/.test(next) || /^\s*end\b/.test(next);
  return indentation(next) + (isBlank(lines[end] ?? "") ? 0 : TAB) + (closing ? 2 * TAB : 0);
}

/** Where the next chunk starts: after the cut, or some lines before it where the cut is not a clean one. */
function nextStart(lines: string[], costs: number[], start: number, end: number, maxOverlap: number): number {
  const clean = isBlank(lines[end] ?? "") && indentation(lines[end + 1] ?? "") === 0;
  if (clean) return end + 1;
  let next = end + 1;
  let sum = 0;
  while (next - 1 > start && sum + (costs[next - 1] ?? 0) <= maxOverlap) sum += costs[--next] ?? 0;
  return next;
}

function isBlank(line: string): boolean {
  return line.trim() === "";
}

function indentation(line: string): number {
  let columns = 0;
  for (const char of line) {
    if (char === " ") columns++;
    else if (char === "\t") columns += TAB;
    else break;
  }
  return columns;
}

/** Pieces of one long line; together they are the line. A cut falls inside an identifier only where that alone is too long. */
export function splitLine(line: string, maxTokens: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  let cost = 0;
  for (const atom of atoms(line, maxTokens)) {
    const added = estimateTokens(atom);
    if (piece !== "" && cost + added > maxTokens) {
      pieces.push(piece);
      piece = "";
      cost = 0;
    }
    piece += atom;
    cost += added;
  }
  if (piece !== "") pieces.push(piece);
  return pieces;
}

/** Identifiers, runs of white space, single characters (surrogate pairs kept whole); none over the bound. */
function* atoms(line: string, maxTokens: number): Generator<string> {
  const longest = Math.max(2, Math.floor(maxTokens));
  for (const [atom] of line.matchAll(/[\p{L}\p{M}\p{N}_$]+|\s+|./gsu)) {
    // A character costs at most a token (a surrogate pair two): pieces of this many units always fit.
    if (atom.length <= longest || estimateTokens(atom) <= maxTokens) {
      yield atom;
      continue;
    }
    for (let at = 0; at < atom.length; ) {
      let end = Math.min(atom.length, at + longest);
      if (end < atom.length && isLeadSurrogate(atom, end - 1)) end--;
      yield atom.slice(at, end);
      at = end;
    }
  }
}
