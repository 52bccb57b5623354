import { slices } from "../core/bounded.ts";
import { CollectionGoneError } from "../core/collection-gone.ts";
import { DevFlowError } from "../core/errors.ts";
import type { VectorStore, WorkspaceIndex } from "../core/ports.ts";
import { collectionIds } from "../db/collections.ts";
import type { Database } from "../db/database.ts";
import { settleTombstones, type Tombstone } from "../db/tombstones.ts";
import { selectWorkspace } from "../db/workspaces.ts";

export interface RemoveDerivedDeps {
  db: Database;
  vectors: VectorStore;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  now(): number;
}

/** Paths of one call to the index object, and ids of one to the vector store. */
const FILES_AT_ONCE = 1000;
const IDS_AT_ONCE = 300;

/**
 * Takes deleted files out of index and vectors, and settles their tombstones once a look-up finds no vector left.
 * From the first step on, no search shows them. Repeating it is harmless, so whatever interrupts it is mended by
 * calling again. Errors: `upstream_unavailable`; the tombstones then stay open.
 * @returns chunks and vectors that are gone now and were there before.
 */
export async function removeDerived(
  deps: RemoveDerivedDeps,
  workspaceId: string,
  deleted: readonly Tombstone[],
): Promise<{ chunks: number; vectors: number }> {
  const index = deps.workspaceIndex(workspaceId);
  const gone = { chunks: 0, vectors: 0 };
  for (const files of slices(deleted, FILES_AT_ONCE)) {
    const { chunks, obsolete } = await index.remove(
      files.map(({ path, generation }) => ({ path, generation })),
    );
    gone.chunks += chunks;
    gone.vectors += await removeVectors(deps, workspaceId, obsolete);
    await index.settle(obsolete);
    await settleTombstones(deps.db, workspaceId, files, deps.now());
  }
  return gone;
}

async function removeVectors(deps: RemoveDerivedDeps, workspaceId: string, ids: string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  const [inUse, ...others] = collectionIds(workspace);
  if (inUse === undefined) return 0;
  for (const other of others) await removeFrom(deps, other, ids);
  return removeFrom(deps, inUse, ids);
}

async function removeFrom(deps: RemoveDerivedDeps, collection: string, ids: string[]): Promise<number> {
  let removed = 0;
  try {
    for (const some of slices(ids, IDS_AT_ONCE)) {
      const before = await deps.vectors.existing(collection, some);
      if (before.size > 0) await deps.vectors.delete(collection, [...before]);
      const after = before.size > 0 ? await deps.vectors.existing(collection, some) : before;
      if (after.size > 0) {
        throw new DevFlowError("upstream_unavailable", "The vector store has not deleted all vectors yet.");
      }
      removed += before.size;
    }
  } catch (error) {
    // A collection that is gone holds no vector.
    if (!(error instanceof CollectionGoneError)) throw error;
  }
  return removed;
}
