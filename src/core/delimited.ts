import { hex } from "./hash.ts";
import { randomBytes } from "./ids.ts";

/** 128 random bits of one request, in hex: what no stored text can hold, so that none can end its own delimiters. */
export function newBoundary(): string {
  return hex(randomBytes(16));
}

/**
 * Lines between the delimiters by which a model tells data from instructions. The lines, and `about`, are to be
 * `defused` before.
 */
export function delimited(
  { n, boundary, about }: { n: number; boundary: string; about?: string },
  lines: readonly string[],
): string {
  const head = about === undefined ? boundary : `${boundary} · ${about}`;
  return [`<<<source ${n} · ${head}>>>`, ...lines, `<<<end ${n} · ${boundary}>>>`].join("\n");
}
