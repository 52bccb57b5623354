import type { Chunk, ChunkedBy } from "../core/chunk.ts";
import { estimateTokens } from "../core/tokens.ts";
import { chunkLines } from "./chunk-lines.ts";
import { embeddedText } from "./embedded-text.ts";
import { blocksOf } from "./syntax/blocks-of.ts";
import { chunkBlocks } from "./syntax/chunk-syntax.ts";
import type { FileParser } from "./syntax/parsers.ts";

/** Longer chunks blur: a vector stands for one thing. Also what a reader takes in at a glance. */
const LONGEST_CHUNK_TOKENS = 384;
const SHORTEST_CHUNK_TOKENS = 32;
/** Share of the model's input that a chunk may fill by estimate; the rest is for what the estimate misses. */
const FILL = 0.85;
/** Tokens kept free for names and signature in front of a chunk; what they need more, the slack of `FILL` has. */
const NAMES_TOKENS = 24;

export interface ChunkedSource {
  chunks: Chunk[];
  chunkedBy: ChunkedBy;
}

/**
 * Cuts a decoded file into the chunks that are embedded, stored and shown: by its syntax, or by lines where that is
 * not known. Empty for white space alone.
 * @param modelMaxTokens tokens that the embedding model reads; the path in front of each chunk takes its part.
 */
export async function chunkSource(
  source: string,
  language: string,
  path: string,
  modelMaxTokens: number,
  parser: FileParser,
): Promise<ChunkedSource> {
  const header =
    estimateTokens(embeddedText(path, { symbol: null, parent: null, signature: null, text: "" })) +
    NAMES_TOKENS;
  const room = Math.min(modelMaxTokens * FILL - header, LONGEST_CHUNK_TOKENS);
  const maxTokens = Math.max(SHORTEST_CHUNK_TOKENS, Math.floor(room));
  const blocks = await blocksOf(source, language, parser);
  if (blocks === null) return { chunks: chunkLines(source, { maxTokens }), chunkedBy: "lines" };
  const options = { maxTokens, aloneTokens: ALONE_TOKENS, runTokens: RUN_TOKENS };
  return { chunks: chunkBlocks(source, blocks, options), chunkedBy: "syntax" };
}

/** A definition of this size is a chunk of its own. */
const ALONE_TOKENS = 24;
/** Smaller ones are put together with their neighbours up to this size. */
const RUN_TOKENS = 96;
