import type { Source } from "./source.ts";

/** A place in a source that was shown to the model, within its lines. */
export interface Citation {
  /** The source's number. */
  n: number;
  path: string | null;
  startLine: number;
  endLine: number;
}

/** A citation as the model wrote it; `lines` null where it names the source alone. */
interface Claim {
  n: number;
  lines: [start: number, end: number] | null;
}

const ONE = /(\d{1,4})(?:\s*:\s*[Ll]?(\d{1,7})(?:\s*[-–]\s*[Ll]?(\d{1,7}))?)?/;
const LIST = new RegExp(`^\\[\\s*${ONE.source}(?:\\s*[,;]\\s*${ONE.source})*\\s*\\]`);
/** What a citation may grow from. */
const BEGINNING = /^\[[\d\s:,;–Ll-]{0,80}$/;

/** The citation or list of citations at the beginning of the text, such as `[2:14-20]` or `[1:3; 2]`; else null. */
export function claimsAt(text: string): { length: number; claims: Claim[] } | null {
  const match = LIST.exec(text);
  if (match === null) return null;
  const claims = [...match[0].matchAll(new RegExp(ONE, "g"))].map(([, n, start, end]): Claim => {
    if (start === undefined) return { n: Number(n), lines: null };
    const [a, b] = [Number(start), Number(end ?? start)];
    return { n: Number(n), lines: [Math.min(a, b), Math.max(a, b)] };
  });
  return { length: match[0].length, claims };
}

/** Whether more text could make a citation of this. */
export function mayBecomeClaim(text: string): boolean {
  return BEGINNING.test(text);
}

/** The claim as it holds: clamped to the lines that were shown; null where none of them was. */
export function verified(claim: Claim, sources: readonly Source[]): Citation | null {
  const source = sources[claim.n - 1];
  if (source === undefined) return null;
  const [start, end] = claim.lines ?? [source.startLine, source.endLine];
  if (start > source.endLine || end < source.startLine) return null;
  return {
    n: source.n,
    path: source.path,
    startLine: Math.max(start, source.startLine),
    endLine: Math.min(end, source.endLine),
  };
}
