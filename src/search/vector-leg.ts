import type { CircuitBreaker } from "../core/circuit-breaker.ts";
import { CollectionGoneError } from "../core/collection-gone.ts";
import {
  type EmbeddingIdentity,
  embeddingInUse,
  isServed,
  type ServedEmbeddings,
  sameEmbedding,
  storedEmbedding,
} from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import { spaceIdentifiers } from "../core/identifiers.ts";
import type {
  ChunkFilter,
  Embedder,
  EmbedderFor,
  Vector,
  VectorFilter,
  VectorHit,
  VectorStore,
} from "../core/ports.ts";
import { pathFilter } from "../core/vector-metadata.ts";
import type { Database } from "../db/database.ts";
import { selectSearchState } from "../db/search-state.ts";
import type { WorkspaceRow } from "../db/workspaces.ts";
import type { SearchMemory } from "./search-memory.ts";

export interface VectorLegDeps {
  db: Database;
  vectors: VectorStore;
  embedder: Pick<Embedder, "model" | "dimensions">;
  previousEmbedding: EmbeddingIdentity | null;
  embedderFor: EmbedderFor;
  memory: SearchMemory;
  /** Runs the work and notes how long the phase took. */
  measure<T>(phase: "embed" | "vector", work: () => Promise<T>): Promise<T>;
}

export interface VectorQuery {
  /** Looked for by meaning. */
  text: string;
  filter: ChunkFilter;
  /**
   * Milliseconds until the leg is given up, embedding and query together; null waits as long as the clients do.
   * Where it is set the hits are null when the leg cannot be asked: another one answers.
   */
  giveUpAfterMs: number | null;
}

export interface WorkspaceState {
  workspace: WorkspaceRow;
  /** Files that wait to be indexed. */
  pending: number;
}

/** One read of D1. Errors: `not_found` while the workspace is being deleted. */
export async function stateOf(
  { db, memory }: Pick<VectorLegDeps, "db" | "memory">,
  workspaceId: string,
): Promise<WorkspaceState> {
  const [state] = await selectSearchState(db, workspaceId);
  if (state === undefined) throw new DevFlowError("not_found", "This workspace is being deleted.");
  memory.workspaces.set(workspaceId, state.workspace);
  return state;
}

/**
 * The dense leg, to be asked at one or more depths; the query is embedded once, and at once: nothing else of a search
 * takes as long. It begins with the workspace as this isolate last read it, while the row is read anew: where that says
 * otherwise the leg is asked again by it. Nothing is embedded for an empty workspace, or one of another model.
 * @returns asks the leg; `state` is what is read of the workspace meanwhile.
 * Errors: `embedding_mismatch`, `budget_exhausted`; `upstream_unavailable` unless `giveUpAfterMs` is set.
 */
export function vectorLeg(
  deps: VectorLegDeps,
  workspaceId: string,
  query: VectorQuery,
): (depth: number, state: Promise<WorkspaceState>) => Promise<VectorHit[] | null> {
  const remembered = deps.memory.workspaces.get(workspaceId);
  const early = remembered !== undefined && mayAsk(remembered, deps) ? remembered : null;
  const signal = query.giveUpAfterMs === null ? undefined : AbortSignal.timeout(query.giveUpAfterMs);
  const filters = vectorFilters(query.filter);
  let embeddedBy = early === null ? null : embeddingInUse(storedEmbedding(early), deps);
  let vector =
    early === null || embeddedBy === null ? null : embedQuery(deps, early, embeddedBy, query.text, signal);
  // Awaited when the leg is asked.
  vector?.catch(() => {});

  const ask = async (workspace: WorkspaceRow, depth: number): Promise<VectorHit[] | null> => {
    const model = embeddingInUse(storedEmbedding(workspace), deps);
    const { collectionId } = workspace;
    if (collectionId === null) return [];
    try {
      if (embeddedBy === null || !sameEmbedding(embeddedBy, model)) vector = null;
      embeddedBy = model;
      vector ??= embedQuery(deps, workspace, model, query.text, signal);
      const embedded = await vector;
      return await guarded(deps.memory.vectorStore, VECTOR_STORE, () =>
        deps.measure("vector", () => deps.vectors.query(collectionId, embedded, depth, filters, signal)),
      );
    } catch (error) {
      const down = error instanceof DevFlowError && error.code === "upstream_unavailable";
      if (down && query.giveUpAfterMs !== null) return null;
      throw error;
    }
  };

  return async (depth, state) => {
    const asked = early === null ? null : settled(ask(early, depth));
    const { workspace } = await state;
    if (asked === null || early === null) return ask(workspace, depth);
    const outcome = await asked;
    if (sameUse(early, workspace)) return outcome();
    // What was embedded serves again, unless it failed.
    if (vector !== null && (await settled(vector)).failed) vector = null;
    return ask(workspace, depth);
  };
}

function mayAsk(workspace: WorkspaceRow, served: ServedEmbeddings): boolean {
  const stored = storedEmbedding(workspace);
  if (workspace.collectionId === null || stored === null) return false;
  return isServed(stored, served);
}

function sameUse(a: WorkspaceRow, b: WorkspaceRow): boolean {
  return a.collectionId === b.collectionId && a.monthlyTokenBudget === b.monthlyTokenBudget;
}

/** The outcome, to be taken later: a rejection that nobody awaits yet is no unhandled one. */
async function settled<T>(work: Promise<T>): Promise<(() => T) & { failed: boolean }> {
  try {
    const value = await work;
    return Object.assign(() => value, { failed: false });
  } catch (error) {
    const fail = (): T => {
      throw error;
    };
    return Object.assign(fail, { failed: true });
  }
}

const EMBEDDER = "The embedding service";
const VECTOR_STORE = "The vector store";

/** Identifiers are taken apart, as they are in the texts that were embedded; white space carries nothing. */
async function embedQuery(
  deps: VectorLegDeps,
  workspace: WorkspaceRow,
  model: EmbeddingIdentity,
  text: string,
  signal: AbortSignal | undefined,
): Promise<Vector> {
  const { memory } = deps;
  const normalised = spaceIdentifiers(text.toWellFormed()).replaceAll(/\s+/gu, " ").trim();
  const known = memory.vectorOf(workspace.id, model, normalised);
  if (known !== undefined) return known;
  const embedder = deps.embedderFor(workspace.id, workspace.monthlyTokenBudget, null, model);
  const { vectors } = await guarded(memory.embedder, EMBEDDER, () =>
    deps.measure("embed", () => embedder.embed([normalised], signal)),
  );
  const [vector] = vectors;
  if (vector === undefined) throw new Error("the embedder gave no vector");
  memory.keepVector(workspace.id, model, normalised, vector);
  return vector;
}

/** Asks an upstream unless it failed lately, and remembers how it went. Errors: `upstream_unavailable`, at once. */
async function guarded<T>(breaker: CircuitBreaker, service: string, work: () => Promise<T>): Promise<T> {
  if (!breaker.admits()) {
    throw new DevFlowError("upstream_unavailable", `${service} is not available right now.`, {
      headers: { "retry-after": String(Math.max(1, Math.ceil(breaker.closedForMs / 1000))) },
    });
  }
  try {
    const result = await work();
    breaker.succeeded();
    return result;
  } catch (error) {
    if (isDown(error)) breaker.failed();
    throw error;
  }
}

/**
 * Whether the upstream as a whole is at fault: an answer about one request, or one collection, is no sign of that,
 * and no workspace may shut the upstream for others.
 */
function isDown(error: unknown): boolean {
  if (!(error instanceof DevFlowError) || error.code !== "upstream_unavailable") return false;
  if (error instanceof CollectionGoneError) return false;
  const status = (error.cause as { status?: unknown } | undefined)?.status;
  return typeof status !== "number" || status >= 500 || status === 408 || status === 429;
}

function vectorFilters({ path, languages, extensions, kinds }: ChunkFilter): VectorFilter[] {
  const filters = path === null ? [] : [pathFilter(path).filter];
  if (languages.length > 0) filters.push({ key: "language", anyOf: languages });
  if (extensions.length > 0) filters.push({ key: "extension", anyOf: extensions });
  if (kinds.length > 0) filters.push({ key: "kind", anyOf: kinds });
  return filters;
}
