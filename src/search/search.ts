import type { Cursors } from "../core/cursor.ts";
import { sha256Hex } from "../core/hash.ts";
import type { ChunkFilter, IndexAnswer, StoredChunk, VectorHit, WorkspaceIndex } from "../core/ports.ts";
import type { Ranked } from "./fuse.ts";
import { type Highlight, highlightsOf } from "./highlight.ts";
import { exclusionOf, lexicalQuery, stemOf, withConditions } from "./lexical-query.ts";
import { narrowed, type ParsedQuery, parseQuery } from "./query-syntax.ts";
import { rankBoth, rankLexical, rankSymbols, rankVectors } from "./rank.ts";
import { type Found, type Page, pageOf } from "./results.ts";
import { symbolName } from "./symbol-name.ts";
import { stateOf, type VectorLegDeps, vectorLeg } from "./vector-leg.ts";

export interface SearchDeps extends Omit<VectorLegDeps, "measure"> {
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  cursors: Cursors;
  /** Milliseconds that mode hybrid waits for the vector leg. */
  vectorTimeoutMs: number;
  /** Runs the work and notes how long the phase took. */
  measure<T>(phase: "embed" | "vector" | "lexical" | "fuse", work: () => Promise<T>): Promise<T>;
}

export type SearchMode = "hybrid" | "semantic" | "lexical" | "symbol";

export interface SearchQuery {
  text: string;
  mode: SearchMode;
  filter: ChunkFilter;
  /** Results of a page. */
  limit: number;
  minScore: number;
  maxTokens: number | null;
  cursor: string | null;
  /** The text is looked for as it is: nothing in it is an operator. */
  verbatim?: boolean;
}

export interface SearchResult {
  found: (Found & { highlights: Highlight[] })[];
  nextCursor: string | null;
  truncated: boolean;
  index: { files: number; pendingFiles: number; updatedAtMs: number | null };
  /** The leg that could not be asked. */
  degraded: "vector"[];
}

/** Hits asked of each leg, and where too many of them were stale or folded to fill a page: what Chroma Cloud gives. */
const DEPTH = 100;
const GREATEST_DEPTH = 300;
/** Chunks that come with the hits of the index, for each result of the page: some fold into others. */
const TEXTS_PER_RESULT = 2;

/**
 * Searches a workspace. Round trips, side by side: one D1 batch (workspace, pending files), one call of the index
 * (hits, their chunks, totals), and the embedding with Chroma's query behind it; then one more call of the index for
 * the chunks that only the vectors found. Both legs are asked again, deeper, where their hits don't fill the page.
 * Errors: `embedding_mismatch`, `budget_exhausted`, `invalid_cursor`, `invalid_request` and `invalid_path` for
 * operators; `upstream_unavailable` in mode semantic, where hybrid answers from the lexical leg and says so.
 */
export async function search(
  deps: SearchDeps,
  workspaceId: string,
  query: SearchQuery,
): Promise<SearchResult> {
  const parsed = query.verbatim ? asItIs(query.text) : parseQuery(query.text);
  const scope = await cursorScope(workspaceId, query);
  const [offset, askedDepth] =
    query.cursor === null ? [0, DEPTH] : await deps.cursors.open(scope, query.cursor);
  const index = deps.workspaceIndex(workspaceId);
  const filter = narrowed(query.filter, parsed);
  const plan = planOf(query, parsed);
  const state = stateOf(deps, workspaceId);
  // Awaited below; should another leg fail first, this is no unhandled rejection.
  state.catch(() => {});
  const byMeaning = (query.mode === "hybrid" || query.mode === "semantic") && filter !== null;
  const giveUpAfterMs = query.mode === "hybrid" ? deps.vectorTimeoutMs : null;
  const meaningLeg = byMeaning
    ? vectorLeg(deps, workspaceId, { text: parsed.text, filter, giveUpAfterMs }, state)
    : async () => [];

  let depth = Number(askedDepth);
  for (;;) {
    const texts = Math.min(depth, (Number(offset) + query.limit) * TEXTS_PER_RESULT);
    const asked = {
      match: filter === null ? null : plan.match,
      symbol: filter === null ? null : plan.symbol,
      exclude: plan.exclude,
      filter: filter ?? query.filter,
      limit: depth,
      texts,
    };
    const [answer, meaning, { pending }] = await Promise.all([
      deps.measure("lexical", () => index.find(asked)),
      meaningLeg(depth),
      state,
    ]);
    const page = await deps.measure("fuse", () =>
      pageOf(
        plan.ranked(answer, meaning),
        {
          offset: Number(offset),
          limit: query.limit,
          minScore: query.minScore,
          maxTokens: query.maxTokens,
          path: asked.filter.path,
        },
        beside(answer.chunks, (ids) => index.chunks(ids, plan.exclude)),
      ),
    );
    const hits = answer.lexical.length + answer.symbols.length;
    // An approximate index may give fewer than it holds.
    const mayHoldMore = hits === depth || (meaning?.length ?? 0) >= depth / 2;
    if (fallsShort(page, query) && mayHoldMore && query.cursor === null && depth < GREATEST_DEPTH) {
      depth = GREATEST_DEPTH;
      continue;
    }
    return {
      found: page.found.map((hit) => ({ ...hit, highlights: highlightsOf(hit.chunk.text, plan.stems) })),
      nextCursor: page.nextOffset === null ? null : await deps.cursors.sign(scope, [page.nextOffset, depth]),
      truncated: page.truncated,
      index: { files: answer.files, pendingFiles: pending, updatedAtMs: answer.updatedAtMs },
      degraded: meaning === null ? ["vector"] : [],
    };
  }
}

function fallsShort(page: Page, query: SearchQuery): boolean {
  return (
    page.found.length < query.limit && page.nextOffset === null && !page.truncated && query.minScore === 0
  );
}

function asItIs(text: string): ParsedQuery {
  return { text, phrases: [], excluded: [], paths: [], languages: [], extensions: [], kinds: [] };
}

/** What a mode asks of the index, and how it ranks what comes back. */
interface Plan {
  match: string | null;
  symbol: { name: string; parent: string | null } | null;
  /** An FTS5 expression of what no result may hold. */
  exclude: string | null;
  /** What is marked in the texts. */
  stems: ReadonlySet<string>;
  /** @param meaning null where the dense leg is down. */
  ranked(answer: IndexAnswer, meaning: VectorHit[] | null): Ranked[];
}

function planOf({ mode }: SearchQuery, { text, phrases, excluded }: ParsedQuery): Plan {
  const { match, stems } = lexicalQuery(text);
  const exclude = exclusionOf(excluded);
  if (mode === "symbol") {
    const symbol = symbolName(text);
    return {
      match: null,
      symbol,
      exclude,
      stems: new Set([...stems, stemOf(symbol.name)]),
      ranked: ({ symbols }) => rankSymbols(symbols, symbol.name.length),
    };
  }
  if (mode === "semantic") {
    return { match: null, symbol: null, exclude, stems, ranked: (_, meaning) => rankVectors(meaning ?? []) };
  }
  // By words alone, what is quoted must be there; beside vectors it only counts for more.
  const required = mode === "lexical" ? phrases : [];
  return {
    match: withConditions(match, required, excluded),
    symbol: null,
    exclude,
    stems,
    ranked: ({ lexical }, meaning) =>
      mode === "lexical" || meaning === null ? rankLexical(lexical) : rankBoth(meaning, lexical),
  };
}

/** Fetches only chunks that are not there yet. */
function beside(chunks: StoredChunk[], fetchChunks: (ids: string[]) => Promise<StoredChunk[]>) {
  const there = new Map(chunks.map((chunk) => [chunk.id, chunk]));
  return async (ids: string[]): Promise<StoredChunk[]> => {
    const missing = ids.filter((id) => !there.has(id));
    for (const chunk of missing.length === 0 ? [] : await fetchChunks(missing)) there.set(chunk.id, chunk);
    return ids.flatMap((id) => there.get(id) ?? []);
  };
}

/** A cursor goes on with the very query that it came from; only the size of the page may change. */
export async function cursorScope(
  workspaceId: string,
  { text, mode, filter, minScore }: Pick<SearchQuery, "text" | "filter" | "minScore"> & { mode: string },
): Promise<string[]> {
  const { path, languages, extensions, kinds } = filter;
  const shape = [text, mode, path, languages, extensions, kinds, minScore];
  return ["search", workspaceId, await sha256Hex(JSON.stringify(shape))];
}
