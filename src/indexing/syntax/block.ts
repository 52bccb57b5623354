import type { ChunkKind } from "../../core/chunk.ts";

/** A definition as its block tells it; lines are indexes from 0. */
export interface Outlined {
  name: string;
  kind: ChunkKind;
  parent: string | null;
  signature: string | null;
  doc: string | null;
  /** First and last line, decorators and `export` included, comments above not. */
  start: number;
  end: number;
}

/**
 * Whole lines that belong together: a definition with the comments above it, a statement over several lines. The tree
 * of blocks is what the cutters make of a file and what chunks are packed from. Lines are indexes from 0, inclusive.
 */
export interface Block {
  start: number;
  end: number;
  /** What is defined here; several where definitions share a line. Empty for a statement. */
  definitions: Outlined[];
  /** Within it, by line; none shares a line with another. Lines between belong to the block itself. */
  children: Block[];
}

/** Appends a block; where it begins on the last one's last line, both are one. */
export function append(blocks: Block[], block: Block): void {
  const last = blocks.at(-1);
  if (last === undefined || block.start > last.end) {
    blocks.push(block);
    return;
  }
  const children = [...last.children];
  for (const child of block.children) append(children, child);
  blocks[blocks.length - 1] = {
    start: last.start,
    end: Math.max(last.end, block.end),
    definitions: [...last.definitions, ...block.definitions],
    children,
  };
}
