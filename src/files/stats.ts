import type { Embedder, VectorStore, WorkspaceIndex } from "../core/ports.ts";
import type { Database } from "../db/database.ts";
import { selectFileTotals } from "../db/files.ts";
import { selectWorkspace } from "../db/workspaces.ts";

export interface StatsDeps {
  db: Database;
  vectors: VectorStore;
  embedder: Pick<Embedder, "model" | "dimensions">;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
}

export interface Stats {
  /** Stored files, skipped ones included; bytes of those that are kept. */
  files: number;
  bytes: number;
  chunks: number;
  vectors: number;
  /** Indexed files of each language. */
  languages: Record<string, number>;
  embedding: { model: string; dimensions: number };
  /** Milliseconds since the epoch, or null. */
  lastIndexedAt: number | null;
  pendingFiles: number;
}

/** What a workspace holds, each number from the store that it is of. Errors: `upstream_unavailable`. */
export async function workspaceStats(deps: StatsDeps, workspaceId: string): Promise<Stats> {
  const [[[workspace], [totals]], index] = await Promise.all([
    deps.db.batch([selectWorkspace(deps.db, workspaceId), selectFileTotals(deps.db, workspaceId)]),
    deps.workspaceIndex(workspaceId).stats(),
  ]);
  if (workspace === undefined || totals === undefined) throw new Error("the workspace has no row");
  const { collectionId, embeddingModel, embeddingDimensions } = workspace;
  return {
    files: workspace.storedFiles,
    bytes: workspace.storedBytes,
    chunks: index.chunks,
    vectors: collectionId === null ? 0 : await deps.vectors.count(collectionId),
    languages: index.languages,
    embedding: {
      model: embeddingModel ?? deps.embedder.model,
      dimensions: embeddingDimensions ?? deps.embedder.dimensions,
    },
    lastIndexedAt: totals.lastIndexedAt,
    pendingFiles: totals.pending,
  };
}
