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

/** UTF-16 units of a signature: a head with many parameters; what is longer is cut, and the text has it whole. */
export const SIGNATURE_CHARACTERS = 300;
/** UTF-16 units of a doc comment: its first paragraphs say what the definition is for. */
export const DOC_CHARACTERS = 2000;

/** A piece of one file, as the chunkers make it. Lines are 1-based and inclusive, counted by LF. */
export interface Chunk {
  startLine: number;
  endLine: number;
  kind: ChunkKind;
  /** Name of the definition that the chunk is, or is a piece of; null where it holds none, or several. */
  symbol: string | null;
  /** Names of what encloses it (modules, classes), outermost first, joined by dots; or null. */
  parent: string | null;
  /**
   * The head of the definition without its body, on one line, white space collapsed; or null. At most
   * `SIGNATURE_CHARACTERS`.
   */
  signature: string | null;
  /** The comment or docstring that belongs to the definition, without its markers; or null. At most `DOC_CHARACTERS`. */
  doc: string | null;
  /** All definitions that begin in the chunk, by line: one that is cut into pieces is told by the first. */
  definitions: Definition[];
  /** The source text, exactly the lines named. */
  text: string;
}

/** A named thing of a file, with all of its lines, whatever chunks they are in. */
export interface Definition {
  name: string;
  kind: ChunkKind;
  /** As a chunk's. */
  parent: string | null;
  startLine: number;
  endLine: number;
}

export type ChunkedBy = "syntax" | "lines";
