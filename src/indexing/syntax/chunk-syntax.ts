import type { Chunk, ChunkKind, Definition } from "../../core/chunk.ts";
import { DOC_CHARACTERS } from "../../core/chunk.ts";
import { estimateTokens } from "../../core/tokens.ts";
import { chunkLines } from "../chunk-lines.ts";
import type { Block, Outlined } from "./block.ts";
import { OVER_TOKENS, type PackOptions, type Piece, pack } from "./pack.ts";
import { truncate } from "./truncate.ts";

/**
 * Chunks of a file whose blocks are known. Every line that is not blank is in exactly one of them, in order; only the
 * pieces of a line that is too long by itself share its number.
 */
export function chunkBlocks(source: string, blocks: Block[], options: PackOptions): Chunk[] {
  const lines = source.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const before = new Float64Array(lines.length + 1);
  for (const [i, line] of lines.entries()) before[i + 1] = (before[i] ?? 0) + estimateTokens(line) + 1 / 16;
  const isMute = (line: number) => CLOSING.test(lines[line] ?? "");
  const inside = blocks.filter(({ start }) => start < lines.length);
  const last = inside.at(-1);
  if (last !== undefined && last.end >= lines.length) last.end = lines.length - 1;

  const pieces = pack(inside, 0, lines.length - 1, { before, isMute }, options);
  const names = new Names(inside, lines.length);
  return pieces.flatMap((piece) => chunksOf(piece, lines, names, options.maxTokens));
}

/** A blank line, or one that only closes what is before it. */
const CLOSING = /^\s*(?:[)\]}>;,\s]*|\*\/|end|<\/\w+>)\s*$/;

function chunksOf(piece: Piece, lines: string[], names: Names, maxTokens: number): Chunk[] {
  let { start, end } = piece;
  const isBlank = (line: number) => (lines[line] ?? "").trim() === "";
  while (start <= end && isBlank(start)) start++;
  while (end >= start && isBlank(end)) end--;
  if (start > end) return [];
  const text = lines.slice(start, end + 1).join("\n");
  if (piece.tokens <= maxTokens + OVER_TOKENS) {
    return [{ startLine: start + 1, endLine: end + 1, ...names.of(start, end), text }];
  }
  // A long string, a comment, data in one line: nothing within tells where to cut.
  return chunkLines(text, { maxTokens, overlap: 0 }).map(({ startLine, endLine, text }, i, all) => {
    const [from, to] = [start + startLine - 1, start + endLine - 1];
    const name = names.of(from, to);
    // The pieces of one line share its number; what begins in it is told by the first.
    const again = i > 0 && all[i - 1]?.endLine === startLine;
    return {
      startLine: from + 1,
      endLine: to + 1,
      ...name,
      definitions: again ? [] : name.definitions,
      text,
    };
  });
}

/** Finds what a run of lines holds or is in. */
class Names {
  readonly #all: { definition: Outlined; outer: number }[] = [];
  /** Innermost definition at each line, or −1. */
  readonly #at: Int32Array;
  readonly #byLine: Outlined[];
  /** Where in `#byLine` the search goes on: what is asked for comes in the order of lines. */
  #cursor = 0;

  constructor(blocks: Block[], lines: number) {
    this.#at = new Int32Array(lines).fill(-1);
    const stack = blocks.map((block) => ({ block, outer: -1 })).reverse();
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      let { outer } = next;
      for (const definition of next.block.definitions) {
        const index = this.#all.length;
        this.#all.push({ definition, outer: next.outer });
        this.#at.fill(index, next.block.start, next.block.end + 1);
        outer = index;
      }
      for (let i = next.block.children.length - 1; i >= 0; i--) {
        const block = next.block.children[i];
        if (block !== undefined) stack.push({ block, outer });
      }
    }
    // The walk is in order, but where definitions share a line.
    this.#byLine = this.#all.map(({ definition }) => definition).sort((a, b) => a.start - b.start);
  }

  of(start: number, end: number): Omit<Chunk, "startLine" | "endLine" | "text"> {
    const beginning = this.#beginning(start, end);
    const definitions = beginning.map(
      ({ name, kind, parent, start, end }): Definition => ({
        name,
        kind,
        parent,
        startLine: start + 1,
        endLine: end + 1,
      }),
    );
    const [first, ...others] = beginning;
    if (first === undefined) return { ...this.#around(start, end), doc: null, definitions };
    const full = first.parent === null ? first.name : `${first.parent}.${first.name}`;
    const isOuter = others.every(({ parent }) => parent === full || parent?.startsWith(`${full}.`));
    if (isOuter) {
      const { name, kind, parent, signature, doc } = first;
      return { symbol: name, kind, parent, signature, doc, definitions };
    }
    const top = beginning.filter(({ parent }) => parent === first.parent);
    const docs = beginning.flatMap(({ doc }) => (doc === null ? [] : [doc]));
    return {
      symbol: null,
      kind: top.every(({ kind }) => kind === first.kind) ? first.kind : "block",
      parent: beginning.every(({ parent }) => within(parent, first.parent)) ? first.parent : null,
      signature: null,
      doc: docs.length === 0 ? null : truncate([...new Set(docs)].join("\n"), DOC_CHARACTERS),
      definitions,
    };
  }

  #beginning(start: number, end: number): Outlined[] {
    const startAt = (index: number) => this.#byLine[index]?.start ?? Number.POSITIVE_INFINITY;
    while (this.#cursor > 0 && startAt(this.#cursor - 1) >= start) this.#cursor--;
    while (startAt(this.#cursor) < start) this.#cursor++;
    const first = this.#cursor;
    while (startAt(this.#cursor) <= end) this.#cursor++;
    return this.#byLine.slice(first, this.#cursor);
  }

  /** The definition that the lines are a piece of. */
  #around(
    start: number,
    end: number,
  ): { symbol: string | null; kind: ChunkKind; parent: string | null; signature: string | null } {
    let index = this.#at[start] ?? -1;
    while (index >= 0 && (this.#all[index]?.definition.end ?? 0) < end) index = this.#all[index]?.outer ?? -1;
    const around = this.#all[index]?.definition;
    if (around === undefined) return { symbol: null, kind: "block", parent: null, signature: null };
    const { name, kind, parent, signature } = around;
    return { symbol: name, kind, parent, signature };
  }
}

function within(parent: string | null, outer: string | null): boolean {
  return outer === null || parent === outer || (parent?.startsWith(`${outer}.`) ?? false);
}
