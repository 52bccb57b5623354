import type { StoredChunk } from "../core/ports.ts";

/** A region of one file, as the model is shown it. Lines are 1-based and inclusive. */
export interface Source {
  /** From 1, in the order of the prompt. */
  n: number;
  /** The chunk that was found best in it; null for code that came with the request. */
  chunkId: string | null;
  /** Null for code that came with the request. */
  path: string | null;
  startLine: number;
  endLine: number;
  lines: string[];
}

/** A source before it is numbered. */
export type Region = Omit<Source, "n">;

/** The chunk as a region of its lines. A piece of one long line is a region of that line. */
export function regionOf(chunk: StoredChunk): Region {
  return {
    chunkId: chunk.id,
    path: chunk.path,
    startLine: chunk.startLine,
    endLine: chunk.endLine,
    lines: linesOf(chunk.text, chunk.endLine - chunk.startLine + 1),
  };
}

/** Code that came with the request. */
export function pastedRegion(code: string): Region {
  const lines = code.split("\n");
  return { chunkId: null, path: null, startLine: 1, endLine: lines.length, lines };
}

/**
 * Both as one, where they overlap or follow each other in one file; null where they do not, or where one of them is
 * not made of whole lines. Keeps the chunk of the first.
 */
export function joined(a: Region, b: Region): Region | null {
  if (a.path === null || a.path !== b.path || !isWhole(a) || !isWhole(b)) return null;
  if (b.startLine > a.endLine + 1 || a.startLine > b.endLine + 1) return null;
  const [first, second] = a.startLine <= b.startLine ? [a, b] : [b, a];
  const lines = [...first.lines, ...second.lines.slice(first.endLine - second.startLine + 1)];
  return {
    ...a,
    startLine: first.startLine,
    endLine: Math.max(first.endLine, second.endLine),
    lines,
  };
}

/** The part of a region that lies within the lines; null where none does. */
export function within(region: Region, startLine: number, endLine: number): Region | null {
  if (!isWhole(region)) return region.startLine >= startLine && region.endLine <= endLine ? region : null;
  const from = Math.max(region.startLine, startLine);
  const to = Math.min(region.endLine, endLine);
  if (from > to) return null;
  const lines = region.lines.slice(from - region.startLine, to - region.startLine + 1);
  return { ...region, startLine: from, endLine: to, lines };
}

function isWhole({ startLine, endLine, lines }: Region): boolean {
  return lines.length === endLine - startLine + 1;
}

function linesOf(text: string, count: number): string[] {
  const lines = text.split("\n");
  if (lines.length === count + 1 && lines.at(-1) === "") lines.pop();
  return lines;
}
