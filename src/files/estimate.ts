/** What indexing files of known size is likely to cost. */
export interface Estimate {
  files: number;
  bytes: number;
  chunks: number;
  tokens: number;
  costMicrousd: number;
}

/** Bytes of source for one token of what is embedded, and tokens of a chunk: see `docs/sync.md`. */
export const BYTES_PER_TOKEN = 3.2;
export const TOKENS_PER_CHUNK = 200;

/** @param priceMicrousd for a million tokens. */
export function estimateIndexing(files: readonly { size: number }[], priceMicrousd: number): Estimate {
  let [bytes, chunks] = [0, 0];
  for (const { size } of files) {
    bytes += size;
    chunks += Math.max(1, Math.round(size / BYTES_PER_TOKEN / TOKENS_PER_CHUNK));
  }
  const tokens = Math.ceil(bytes / BYTES_PER_TOKEN);
  const costMicrousd = Math.ceil((tokens * priceMicrousd) / 1_000_000);
  return { files: files.length, bytes, chunks, tokens, costMicrousd };
}
