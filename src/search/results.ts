import { selects } from "../core/path.ts";
import type { StoredChunk } from "../core/ports.ts";
import { estimateTokens } from "../core/tokens.ts";
import { repeats } from "./duplicates.ts";
import type { Ranked } from "./fuse.ts";

export interface Found {
  chunk: StoredChunk;
  /** 0..1, higher is better. */
  score: number;
  ranks: Ranked["ranks"];
}

export interface PageRequest {
  /** Places of the ranking that earlier pages used up. */
  offset: number;
  limit: number;
  /** Results below are left out: 0..1. */
  minScore: number;
  /** Estimated tokens of all texts of the page together at most; null for no bound. */
  maxTokens: number | null;
  /** Drops what a filter of the vector store let through. */
  path: string | null;
}

export interface Page {
  found: Found[];
  /** Where the next page begins; null where nothing is left. */
  nextOffset: number | null;
  /** Whether `maxTokens` left a result out. */
  truncated: boolean;
}

/** Chunks are fetched with some to spare, for those that are stale or fold into others: mostly one round trip. */
const SPARE = 10;

/**
 * Goes down the ranking: drops ids that the index does not know (any more), folds what repeats a better result, and
 * stops where the page is full. Pages follow each other without gap or repetition as long as the ranking stands.
 */
export async function pageOf(
  ranking: Ranked[],
  request: PageRequest,
  fetchChunks: (ids: string[]) => Promise<StoredChunk[]>,
): Promise<Page> {
  const { offset, limit, minScore, maxTokens, path } = request;
  const known = new Map<string, StoredChunk>();
  const seen: StoredChunk[] = [];
  const found: Found[] = [];
  let fetched = 0;
  let tokens = 0;
  let truncated = false;
  for (const [place, { id, score, ranks }] of ranking.entries()) {
    if (score < minScore) return { found, nextOffset: null, truncated };
    if (found.length === limit) return { found, nextOffset: place, truncated };
    if (place === fetched) {
      const next = ranking.slice(fetched, Math.max(place, offset) + (limit - found.length) * 2 + SPARE);
      for (const chunk of await fetchChunks(next.map((entry) => entry.id))) known.set(chunk.id, chunk);
      fetched += next.length;
    }
    const chunk = known.get(id);
    if (chunk === undefined || !selects(path, chunk.path)) continue;
    if (seen.some((better) => repeats(better, chunk))) continue;
    seen.push(chunk);
    if (place < offset) continue;
    const cost = maxTokens === null ? 0 : Math.ceil(estimateTokens(chunk.text));
    if (maxTokens !== null && tokens + cost > maxTokens) {
      truncated = true;
      // The next page may have room for it, unless no page has.
      if (cost <= maxTokens) return { found, nextOffset: place, truncated };
      continue;
    }
    tokens += cost;
    found.push({ chunk, score, ranks });
  }
  return { found, nextOffset: null, truncated };
}
