import type { Chunk, ChunkedBy } from "../core/chunk.ts";
import { estimateTokens } from "../core/tokens.ts";
import { chunkLines } from "./chunk-lines.ts";
import { embeddedText } from "./embedded-text.ts";

/** Longer chunks blur: a vector stands for one thing. Also what a reader takes in at a glance. */
const LONGEST_CHUNK_TOKENS = 384;
const SHORTEST_CHUNK_TOKENS = 32;
/** Share of the model's input that a chunk may fill by estimate; the rest is for what the estimate misses. */
const FILL = 0.85;

export interface ChunkedSource {
  chunks: Chunk[];
  chunkedBy: ChunkedBy;
}

/**
 * Cuts a decoded file into the chunks that are embedded, stored and shown. Empty for white space alone.
 * @param modelMaxTokens tokens that the embedding model reads; the path in front of each chunk takes its part.
 */
export function chunkSource(
  source: string,
  _language: string,
  path: string,
  modelMaxTokens: number,
): ChunkedSource {
  const header = estimateTokens(embeddedText(path, { symbol: null, parent: null, text: "" }));
  const room = Math.min(modelMaxTokens * FILL - header, LONGEST_CHUNK_TOKENS);
  const maxTokens = Math.max(SHORTEST_CHUNK_TOKENS, Math.floor(room));
  return { chunks: chunkLines(source, { maxTokens }), chunkedBy: "lines" };
}
