/** What indexing files of known size is likely to cost. */
export interface Estimate {
  files: number;
  bytes: number;
  chunks: number;
  tokens: number;
  costMicrousd: number;
}

/** Bytes of source for one token of what is embedded, names in front of each chunk included: see `docs/sync.md`. */
export const BYTES_PER_TOKEN = 3.2;
/** Bytes of source for one chunk, by how many tokens the model reads: most chunks are one definition, not full. */
export const CHUNK_BYTES = { short: 300, long: 440 };
/** A model that reads more has room for the longest chunks. */
const LONG_INPUT_TOKENS = 450;

/** @param priceMicrousd for a million tokens. @param modelMaxTokens tokens that the embedding model reads. */
export function estimateIndexing(
  files: readonly { size: number }[],
  { priceMicrousd, modelMaxTokens }: { priceMicrousd: number; modelMaxTokens: number },
): Estimate {
  const chunkBytes = modelMaxTokens < LONG_INPUT_TOKENS ? CHUNK_BYTES.short : CHUNK_BYTES.long;
  let [bytes, chunks] = [0, 0];
  for (const { size } of files) {
    bytes += size;
    chunks += Math.max(1, Math.round(size / chunkBytes));
  }
  const tokens = Math.ceil(bytes / BYTES_PER_TOKEN);
  const costMicrousd = Math.ceil((tokens * priceMicrousd) / 1_000_000);
  return { files: files.length, bytes, chunks, tokens, costMicrousd };
}
