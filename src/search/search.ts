import type { Cursors } from "../core/cursor.ts";
import { sha256Hex } from "../core/hash.ts";
import { splitIdentifiers } from "../core/identifiers.ts";
import type { ChunkFilter, IndexAnswer, StoredChunk, VectorHit, WorkspaceIndex } from "../core/ports.ts";
import { nextTurn } from "../core/turn.ts";
import { DENSE_SHARE, fuse, type Ranked } from "./fuse.ts";
import { type Highlight, highlighter } from "./highlight.ts";
import { exclusionOf, lexicalQuery, stemOf, withConditions } from "./lexical-query.ts";
import { kindOf } from "./query-kind.ts";
import { narrowed, type ParsedQuery, parseQuery } from "./query-syntax.ts";
import { rankLexical, rankSymbols, rankVectors } from "./rank.ts";
import { type QueryTerms, REFINED, refine } from "./refine.ts";
import { type Rerank, rerankedPage } from "./rerank.ts";
import { type Found, type Page, pageOf } from "./results.ts";
import { packed, resumed } from "./shown.ts";
import { denseEvidence, lexicalEvidence } from "./strength.ts";
import { symbolName } from "./symbol-name.ts";
import { speaksOfTests } from "./test-paths.ts";
import { stateOf, type VectorLegDeps, vectorLeg } from "./vector-leg.ts";

export interface SearchDeps extends Omit<VectorLegDeps, "measure"> {
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  cursors: Cursors;
  /** Milliseconds that mode hybrid waits for the vector leg. */
  vectorTimeoutMs: number;
  /** Runs the work and notes how long the phase took. */
  measure<T>(phase: "embed" | "vector" | "lexical" | "fuse" | "rerank", work: () => Promise<T>): Promise<T>;
  /** Puts the first page of mode hybrid into a better order, by a model that costs; null: as the legs have it. */
  rerank?: Rerank | null;
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
  /** Whether a model put the page in order; null where none was to be asked. */
  reranked: boolean | null;
}

/** Hits asked of each leg, and where too many of them were stale or folded to fill a page: what Chroma Cloud gives. */
const DEPTH = 100;
const GREATEST_DEPTH = 300;
/** Chunks that come with the hits of the index, for each result of the page: some fold into others. */
const TEXTS_PER_RESULT = 2;

/**
 * Searches a workspace. Round trips, side by side: one read of D1 (workspace, pending files), one call of the index
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
  const scope = () => cursorScope(workspaceId, query);
  const [shownBefore, askedDepth] =
    query.cursor === null ? ["", DEPTH] : await deps.cursors.open(await scope(), query.cursor);
  const shown = String(shownBefore);
  const filter = narrowed(query.filter, parsed);
  const byMeaning = (query.mode === "hybrid" || query.mode === "semantic") && filter !== null;
  const giveUpAfterMs = query.mode === "hybrid" ? deps.vectorTimeoutMs : null;
  // First of all: what comes after it runs while the query is embedded. It leaves when the event loop has its turn.
  const meaningLeg = byMeaning
    ? vectorLeg(deps, workspaceId, { text: parsed.text, filter, giveUpAfterMs })
    : async () => [];
  if (byMeaning) await nextTurn();
  const index = deps.workspaceIndex(workspaceId);
  const plan = planOf(query, parsed);
  const state = stateOf(deps, workspaceId);
  // Awaited below; should another leg fail first, this is no unhandled rejection.
  state.catch(() => {});

  let depth = Number(askedDepth);
  for (;;) {
    const texts = Math.min(depth, query.limit * TEXTS_PER_RESULT + shown.length);
    const asked = {
      match: filter === null ? null : plan.match,
      alternatives: plan.alternatives,
      terms: plan.terms,
      symbol: filter === null ? null : plan.symbol,
      exclude: plan.exclude,
      filter: filter ?? query.filter,
      limit: depth,
      texts,
    };
    const [answer, meaning, { pending, workspace }] = await Promise.all([
      deps.measure("lexical", () => index.find(asked)),
      meaningLeg(depth, state),
      state,
    ]);
    const { page, ranking, request, fetchChunks } = await deps.measure("fuse", async () => {
      const fetchChunks = beside(answer.chunks, (ids) => index.chunks(ids, plan.exclude));
      const ranked = plan.ranked(answer, meaning, workspace.embeddingModel ?? "");
      const terms = meaning === null ? null : plan.refinedBy(answer);
      const best = terms === null ? ranked : await refined(ranked, terms, fetchChunks);
      const { ranking, offset } = resumed(best, shown);
      const { limit, minScore, maxTokens } = query;
      const { path } = asked.filter;
      const request = { offset, limit, minScore, maxTokens, path };
      return { page: await pageOf(ranking, request, fetchChunks), ranking, request, fetchChunks };
    });
    const hits = answer.lexical.length + answer.symbols.length;
    // An approximate index may give fewer than it holds.
    const mayHoldMore = hits === depth || (meaning?.length ?? 0) >= depth / 2;
    if (fallsShort(page, query) && mayHoldMore && query.cursor === null && depth < GREATEST_DEPTH) {
      depth = GREATEST_DEPTH;
      continue;
    }
    const { rerank = null } = deps;
    // Later pages go on with what the first left over, in the order of the legs.
    const asks = rerank !== null && query.mode === "hybrid" && query.cursor === null && page.found.length > 1;
    const order = (candidates: readonly StoredChunk[]) =>
      rerank?.(parsed.text, candidates, workspace.monthlyTokenBudget) ?? Promise.resolve(null);
    const better = asks
      ? await deps.measure("rerank", () => rerankedPage(order, ranking, request, fetchChunks))
      : null;
    const last = better ?? { page, ranking };
    const highlightsOf = highlighter(plan.stems);
    return {
      found: last.page.found.map((hit) => ({ ...hit, highlights: highlightsOf(hit.chunk.text) })),
      nextCursor:
        last.page.nextOffset === null
          ? null
          : await deps.cursors.sign(await scope(), [
              packed(last.ranking, last.page.nextOffset, shown),
              depth,
            ]),
      truncated: last.page.truncated,
      index: { files: answer.files, pendingFiles: pending, updatedAtMs: answer.updatedAtMs },
      degraded: meaning === null ? ["vector"] : [],
      reranked: asks ? better !== null : null,
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
  /** What `match` is a disjunction of; empty where it has conditions. */
  alternatives: { match: string; stem: string | null }[];
  symbol: { name: string; parent: string | null } | null;
  /** An FTS5 expression of what no result may hold. */
  exclude: string | null;
  /** What is marked in the texts. */
  stems: ReadonlySet<string>;
  /** Stems whose rarity in the workspace the ranking needs. */
  terms: string[];
  /** @param meaning null where the dense leg is down. @param model that embedded the query. */
  ranked(answer: IndexAnswer, meaning: VectorHit[] | null, model: string): Ranked[];
  /** What the ranking is sorted again by, or null where it stands. */
  refinedBy(answer: IndexAnswer): QueryTerms | null;
}

function planOf({ mode, verbatim, filter }: SearchQuery, parsed: ParsedQuery): Plan {
  const { text, phrases, excluded } = parsed;
  const { match, alternatives, stems } = lexicalQuery(text);
  const exclude = exclusionOf(excluded);
  if (mode === "symbol") {
    const symbol = symbolName(text);
    return {
      match: null,
      symbol,
      exclude,
      stems: new Set([...stems, stemOf(symbol.name)]),
      ...UNREFINED,
      ranked: ({ symbols }) => rankSymbols(symbols, symbol.name.length),
    };
  }
  if (mode === "semantic") {
    return {
      match: null,
      symbol: null,
      exclude,
      // Code of which the like is looked for holds all words of its kind: nothing would stand out.
      stems: verbatim ? new Set() : stems,
      ...UNREFINED,
      ranked: (_, meaning, model) => rankVectors(denseEvidence(meaning ?? [], model)),
    };
  }
  // By words alone, what is quoted must be there; beside vectors it only counts for more.
  const required = mode === "lexical" ? phrases : [];
  const terms = [...stems];
  const words = new Set(splitIdentifiers(text).map(stemOf));
  const tests = speaksOfTests([text, filter.path, ...parsed.paths].join(" "));
  return {
    match: withConditions(match, required, excluded),
    // What is excluded scores nothing; what is required does, whatever else a row holds.
    alternatives: required.length === 0 ? alternatives : [],
    symbol: null,
    exclude,
    stems,
    terms,
    ranked: ({ lexical, rarity }, meaning, model) => {
      const evidence = lexicalEvidence(lexical, rarity);
      if (mode === "lexical" || meaning === null) return rankLexical(evidence);
      return fuse(denseEvidence(meaning, model), evidence, DENSE_SHARE[kindOf(text)]);
    },
    refinedBy: ({ rarity }) =>
      mode === "lexical"
        ? null
        : { words, tests, rarity: new Map(terms.map((term, i) => [term, rarity[i] ?? 0])) },
  };
}

const UNREFINED = { alternatives: [], terms: [], refinedBy: () => null };

/** The ranking after a second look at its first places. */
async function refined(
  ranking: Ranked[],
  terms: QueryTerms,
  fetchChunks: (ids: string[]) => Promise<StoredChunk[]>,
): Promise<Ranked[]> {
  const chunks = await fetchChunks(ranking.slice(0, REFINED).map(({ id }) => id));
  return refine(ranking, new Map(chunks.map((chunk) => [chunk.id, chunk])), terms);
}

/** Fetches only chunks that are not there yet, and asks once for those that are gone. */
function beside(chunks: StoredChunk[], fetchChunks: (ids: string[]) => Promise<StoredChunk[]>) {
  const there = new Map<string, StoredChunk | null>(chunks.map((chunk) => [chunk.id, chunk]));
  return async (ids: string[]): Promise<StoredChunk[]> => {
    const missing = ids.filter((id) => !there.has(id));
    for (const id of missing) there.set(id, null);
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
