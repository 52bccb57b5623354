import { newTimeId } from "../core/ids.ts";
import { replaceCollection, takeGeneration } from "../db/collections.ts";
import { insertJobIfRoom } from "../db/jobs.ts";
import { openModelCollection } from "./collection.ts";
import type { IndexingDeps } from "./deps.ts";

/**
 * Makes a workspace's lost collection again, and a job that indexes all its files into it. Of many consumers that
 * notice the loss, one does so.
 */
export async function rebuildCollection(
  deps: Pick<IndexingDeps, "db" | "vectors" | "embedder" | "queue" | "log" | "now">,
  workspaceId: string,
  lostId: string,
): Promise<void> {
  const { model, dimensions } = deps.embedder;
  const collectionId = await openModelCollection(deps, workspaceId);
  // The server knows it again: it was away, not gone.
  if (collectionId === lostId) return;
  const now = deps.now();
  const id = newTimeId("job", now);
  const [, made] = await deps.db.batch([
    takeGeneration(deps.db, workspaceId),
    insertJobIfRoom(deps.db, {
      id,
      workspaceId,
      keyId: null,
      requestId: null,
      kind: "index",
      spec: { path: ".", recursive: true, force: true },
      now,
      // The system's own job is not refused for what the workspace has running.
      maxOpen: Number.MAX_SAFE_INTEGER,
      whileCollection: lostId,
    }),
    replaceCollection(deps.db, workspaceId, lostId, { model, dimensions, collectionId }, id),
  ]);
  if (made.length === 0) return;
  deps.log.warning("a collection was lost; its workspace is indexed anew", { workspace_id: workspaceId });
  await deps.queue.send([{ kind: "expand", workspaceId, jobId: id, afterPath: "" }]);
}
