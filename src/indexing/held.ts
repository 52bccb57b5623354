import { mapBounded, slices } from "../core/bounded.ts";
import type { VectorStore, WorkspaceIndex } from "../core/ports.ts";

/** What index and vector store really hold of a file, looked up rather than believed. */
export interface Held {
  generation: number;
  /** Chunks that stand in the index. */
  chunks: number;
  /** Chunks of those whose vector is gone. */
  withoutVector: number;
}

export interface HeldDeps {
  workspaceIndex(workspaceId: string): Pick<WorkspaceIndex, "holdings">;
  vectors: Pick<VectorStore, "existing">;
}

/** Files of one look: of files of 1 MiB each, 5 MB of ids. */
const FILES_AT_ONCE = 100;
/** Looks side by side: Chroma Cloud takes ten reads of a collection at once, and searches need some. */
const WIDTH = 3;

/**
 * Path → what is held of it; absent where the index holds nothing.
 * @param collectionId null: no vector was ever written.
 * Errors: `upstream_unavailable`, `CollectionGoneError`.
 */
export async function heldOf(
  deps: HeldDeps,
  workspaceId: string,
  collectionId: string | null,
  paths: readonly string[],
): Promise<Map<string, Held>> {
  const index = deps.workspaceIndex(workspaceId);
  const looks = await mapBounded(slices(paths, FILES_AT_ONCE), WIDTH, async (some) => {
    const holdings = await index.holdings(some);
    const ids = holdings.flatMap((holding) => holding.ids);
    const existing =
      collectionId === null || ids.length === 0
        ? new Set<string>()
        : await deps.vectors.existing(collectionId, ids);
    return holdings.map((holding): [string, Held] => [
      holding.path,
      {
        generation: holding.generation,
        chunks: holding.ids.length,
        withoutVector: holding.ids.filter((id) => !existing.has(id)).length,
      },
    ]);
  });
  return new Map(looks.flat());
}
