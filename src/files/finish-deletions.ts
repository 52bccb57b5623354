import type { Logger } from "../core/log.ts";
import { selectGarbage } from "../db/blob-garbage.ts";
import { selectOpenTombstones, type Tombstone } from "../db/tombstones.ts";
import { deleteBlobs } from "./accept.ts";
import { type RemoveDerivedDeps, removeDerived } from "./remove-derived.ts";

export interface FinishDeletionsDeps extends RemoveDerivedDeps {
  blobs: R2Bucket;
  log: Logger;
}

/** Whoever deleted or replaced a file has finished by then, or never will. */
const INTERRUPTED_AFTER_MS = 5 * 60_000;
/** An upload's blobs are nobody's until its rows are written: longer than any upload takes. */
export const GARBAGE_AFTER_MS = 6 * 3_600_000;
const AT_ONCE = 1000;

/**
 * Finishes what was interrupted: deleted files that index or vectors may still hold, and blobs that nobody owns.
 * A workspace whose vectors cannot be reached is left for the next run.
 * @returns how much was finished, for the log.
 */
export async function finishDeletions(
  deps: FinishDeletionsDeps,
): Promise<{ files: number; vectors: number; blobs: number }> {
  const now = deps.now();
  const done = { files: 0, vectors: 0, blobs: 0 };
  const open = await selectOpenTombstones(deps.db, now - INTERRUPTED_AFTER_MS, AT_ONCE);
  for (const [workspaceId, tombstones] of byWorkspace(open)) {
    try {
      const { vectors } = await removeDerived(deps, workspaceId, tombstones);
      done.files += tombstones.length;
      done.vectors += vectors;
    } catch (error) {
      deps.log.error("a deletion could not be finished", error, { workspace_id: workspaceId });
    }
  }
  const garbage = await selectGarbage(deps.db, now - GARBAGE_AFTER_MS, AT_ONCE);
  await deleteBlobs(
    deps,
    garbage.map(({ key }) => key),
  );
  done.blobs = garbage.length;
  return done;
}

function byWorkspace(rows: readonly (Tombstone & { workspaceId: string })[]): Map<string, Tombstone[]> {
  const groups = new Map<string, Tombstone[]>();
  for (const { workspaceId, path, generation } of rows) {
    const group = groups.get(workspaceId);
    if (group === undefined) groups.set(workspaceId, [{ path, generation }]);
    else group.push({ path, generation });
  }
  return groups;
}
