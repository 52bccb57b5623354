import type { Cursors } from "../core/cursor.ts";
import { requireSameEmbedding, storedEmbedding } from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { spaceIdentifiers } from "../core/identifiers.ts";
import type {
  ChunkFilter,
  Embedder,
  VectorFilter,
  VectorHit,
  VectorStore,
  WorkspaceIndex,
} from "../core/ports.ts";
import { pathFilter } from "../core/vector-metadata.ts";
import type { Database } from "../db/database.ts";
import { countPendingFiles } from "../db/pending-files.ts";
import { selectWorkspace, type WorkspaceRow } from "../db/workspaces.ts";
import type { Ranked } from "./fuse.ts";
import { type Highlight, highlightsOf } from "./highlight.ts";
import { type LexicalQuery, lexicalQuery } from "./lexical-query.ts";
import { rankBoth, rankLexical, rankSymbols, rankVectors } from "./rank.ts";
import { type Found, type Page, pageOf } from "./results.ts";
import { symbolName } from "./symbol-name.ts";

export interface SearchDeps {
  db: Database;
  vectors: VectorStore;
  embedder: Pick<Embedder, "model" | "dimensions">;
  /** The embedder as the workspace pays for it. */
  embedderFor(workspaceId: string, monthlyTokens: number | null): Embedder;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  cursors: Cursors;
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

/**
 * Searches a workspace. Round trips: workspace row and pending files (one D1 batch), then embedding (nothing is paid
 * for an empty workspace, or one of another model), then Chroma; beside them the lexical leg and the totals, one call
 * to the index object each; at last the texts of the page, one more. Twice, where the first hits don't fill the page.
 * Errors: `embedding_mismatch`, `budget_exhausted`, `invalid_cursor`; `upstream_unavailable` in mode semantic, where
 * hybrid answers from the lexical leg and says so.
 */
export async function search(
  deps: SearchDeps,
  workspaceId: string,
  query: SearchQuery,
): Promise<SearchResult> {
  const scope = await cursorScope(workspaceId, query);
  const [offset, askedDepth] =
    query.cursor === null ? [0, DEPTH] : await deps.cursors.open(scope, query.cursor);
  const index = deps.workspaceIndex(workspaceId);
  const terms = lexicalQuery(query.text);
  const wordsLeg = indexLeg(deps, index, query, terms);
  const meaningLeg = vectorLeg(deps, workspaceId, query);

  let depth = Number(askedDepth);
  for (;;) {
    const [words, [meaning, state], stats] = await Promise.all([
      wordsLeg(depth),
      meaningLeg(depth),
      index.stats(),
    ]);
    const page = await deps.measure("fuse", () =>
      pageOf(
        words.rankedWith(meaning),
        {
          offset: Number(offset),
          limit: query.limit,
          minScore: query.minScore,
          maxTokens: query.maxTokens,
          path: query.filter.path,
        },
        (ids) => index.chunks(ids),
      ),
    );
    // An approximate index may give fewer than it holds.
    const mayHoldMore = words.hits === depth || (meaning?.length ?? 0) >= depth / 2;
    if (fallsShort(page, query) && mayHoldMore && query.cursor === null && depth < GREATEST_DEPTH) {
      depth = GREATEST_DEPTH;
      continue;
    }
    return {
      found: page.found.map((hit) => ({ ...hit, highlights: highlightsOf(hit.chunk.text, terms.stems) })),
      nextCursor: page.nextOffset === null ? null : await deps.cursors.sign(scope, [page.nextOffset, depth]),
      truncated: page.truncated,
      index: { files: stats.files, pendingFiles: state.pending, updatedAtMs: stats.updatedAtMs },
      degraded: meaning === null ? ["vector"] : [],
    };
  }
}

function fallsShort(page: Page, query: SearchQuery): boolean {
  return (
    page.found.length < query.limit && page.nextOffset === null && !page.truncated && query.minScore === 0
  );
}

/** What the index object answers, and how it is ranked together with the dense leg (null: it is down). */
interface IndexHits {
  hits: number;
  rankedWith(meaning: VectorHit[] | null): Ranked[];
}

function indexLeg(deps: SearchDeps, index: WorkspaceIndex, query: SearchQuery, { match }: LexicalQuery) {
  const { mode, filter } = query;
  return async (depth: number): Promise<IndexHits> => {
    if (mode === "semantic") return { hits: 0, rankedWith: (meaning) => rankVectors(meaning ?? []) };
    if (mode === "symbol") {
      const { name, parent } = symbolName(query.text);
      const hits = await deps.measure("lexical", () => index.findSymbols(name, parent, filter, depth));
      return { hits: hits.length, rankedWith: () => rankSymbols(hits, name.length) };
    }
    const hits =
      match === null ? [] : await deps.measure("lexical", () => index.lexical(match, filter, depth));
    const alone = (meaning: VectorHit[] | null) => mode === "lexical" || meaning === null;
    return {
      hits: hits.length,
      rankedWith: (meaning) => (alone(meaning) ? rankLexical(hits) : rankBoth(meaning ?? [], hits)),
    };
  };
}

/**
 * The dense leg, to be asked at one or two depths: workspace and query's vector are read once. The hits are null
 * where an upstream is down and another leg can answer.
 */
function vectorLeg(deps: SearchDeps, workspaceId: string, query: SearchQuery) {
  const state = stateOf(deps, workspaceId);
  const wanted = query.mode === "hybrid" || query.mode === "semantic";
  let vector: Promise<number[]> | null = null;
  return async (depth: number): Promise<[VectorHit[] | null, { pending: number }]> => {
    const { workspace, pending } = await state;
    if (!wanted) return [[], { pending }];
    requireSameEmbedding(storedEmbedding(workspace), deps.embedder);
    const { collectionId } = workspace;
    if (collectionId === null) return [[], { pending }];
    try {
      vector ??= deps.measure("embed", () => embedQuery(deps, workspace, query.text));
      const embedded = await vector;
      const filters = vectorFilters(query.filter);
      const hits = await deps.measure("vector", () =>
        deps.vectors.query(collectionId, embedded, depth, filters),
      );
      return [hits, { pending }];
    } catch (error) {
      const down = error instanceof DevFlowError && error.code === "upstream_unavailable";
      if (down && query.mode === "hybrid") return [null, { pending }];
      throw error;
    }
  };
}

async function stateOf(
  { db }: SearchDeps,
  workspaceId: string,
): Promise<{ workspace: WorkspaceRow; pending: number }> {
  const [[workspace], [count]] = await db.batch([
    selectWorkspace(db, workspaceId),
    countPendingFiles(db, workspaceId),
  ]);
  if (workspace === undefined) throw new DevFlowError("not_found", "This workspace is being deleted.");
  return { workspace, pending: count?.pending ?? 0 };
}

/** Identifiers are taken apart, as they are in the texts that were embedded. */
async function embedQuery(deps: SearchDeps, workspace: WorkspaceRow, text: string): Promise<number[]> {
  const embedder = deps.embedderFor(workspace.id, workspace.monthlyTokenBudget);
  const { vectors } = await embedder.embed([spaceIdentifiers(text.toWellFormed())]);
  const [vector] = vectors;
  if (vector === undefined) throw new Error("the embedder gave no vector");
  return vector;
}

function vectorFilters({ path, languages, extensions, kinds }: ChunkFilter): VectorFilter[] {
  const filters = path === null ? [] : [pathFilter(path).filter];
  if (languages.length > 0) filters.push({ key: "language", anyOf: languages });
  if (extensions.length > 0) filters.push({ key: "extension", anyOf: extensions });
  if (kinds.length > 0) filters.push({ key: "kind", anyOf: kinds });
  return filters;
}

/** A cursor goes on with the very query that it came from; only the size of the page may change. */
async function cursorScope(
  workspaceId: string,
  { text, mode, filter, minScore }: SearchQuery,
): Promise<string[]> {
  const { path, languages, extensions, kinds } = filter;
  const shape = [text, mode, path, languages, extensions, kinds, minScore];
  return ["search", workspaceId, await sha256Hex(JSON.stringify(shape))];
}
