/** What a chunk is, in the words of the public API. */
export const CHUNK_KINDS = [
  "function",
  "method",
  "class",
  "interface",
  "type",
  "enum",
  "module",
  "variable",
  "section",
  "block",
] as const;

export type ChunkKind = (typeof CHUNK_KINDS)[number];

/** A piece of one file, as the chunkers make it. Lines are 1-based and inclusive, counted by LF. */
export interface Chunk {
  startLine: number;
  endLine: number;
  kind: ChunkKind;
  /** Name of the definition that the chunk holds, or null. */
  symbol: string | null;
  /** Name of what encloses it (a class, a module), or null. */
  parent: string | null;
  /** The source text, exactly the lines named. */
  text: string;
}

export type ChunkedBy = "syntax" | "lines";
