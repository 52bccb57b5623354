import { CircuitBreaker } from "../core/circuit-breaker.ts";
import type { EmbeddingIdentity } from "../core/embedding-identity.ts";
import { Lru } from "../core/lru.ts";
import type { Vector } from "../core/ports.ts";
import type { WorkspaceRow } from "../db/workspaces.ts";

/** Some 6 MB of vectors of 1,536 dimensions. */
const MAX_VECTORS = 500;
const VECTOR_KEPT_MS = 10 * 60_000;
/** Some 2 MB. */
const MAX_WORKSPACES = 2000;
const WORKSPACE_KEPT_MS = 60_000;

/**
 * What one isolate remembers for searches; nothing of it decides alone, and all of it is bounded.
 *
 * Vectors of queries are kept for each workspace by itself, although a text has the same vector in all of them: were
 * they shared, the time that an answer takes would tell one workspace what another one lately asked.
 */
export class SearchMemory {
  /** Rows as they were last read: a search begins with one, and compares it with the row that it reads meanwhile. */
  readonly workspaces: Lru<WorkspaceRow>;
  readonly embedder: CircuitBreaker;
  readonly vectorStore: CircuitBreaker;
  readonly #vectors: Lru<Vector>;

  constructor(now: () => number = Date.now) {
    this.workspaces = new Lru(MAX_WORKSPACES, WORKSPACE_KEPT_MS, now);
    this.embedder = new CircuitBreaker(now);
    this.vectorStore = new CircuitBreaker(now);
    this.#vectors = new Lru(MAX_VECTORS, VECTOR_KEPT_MS, now);
  }

  vectorOf(workspaceId: string, model: EmbeddingIdentity, text: string): Vector | undefined {
    return this.#vectors.get(vectorKey(workspaceId, model, text));
  }

  keepVector(workspaceId: string, model: EmbeddingIdentity, text: string, vector: Vector): void {
    this.#vectors.set(vectorKey(workspaceId, model, text), vector);
  }
}

function vectorKey(workspaceId: string, { model, dimensions }: EmbeddingIdentity, text: string): string {
  return JSON.stringify([workspaceId, model, dimensions, text]);
}
