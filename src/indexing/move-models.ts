import { sameEmbedding, storedEmbedding } from "../core/embedding-identity.ts";
import {
  countMoves,
  forgetReplacedCollection,
  selectReplacedCollections,
  selectWorkspacesOfModel,
  switchCollections,
} from "../db/collections.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import { collectionName } from "./collection.ts";
import type { IndexingDeps } from "./deps.ts";
import { startIndex } from "./start-index.ts";

/** Workspaces that are moved to another model at once, so that what users upload finds room beside it. */
const MOVES_AT_ONCE = 5;
/** Searches and consumers that read the workspace's row before the switch are over by then: they live 15 minutes. */
const REPLACED_KEPT_MS = 20 * 60_000;
const REPLACED_LOOKED_FOR_MS = 7 * 24 * 3_600_000;
const REPLACED_AT_ONCE = 20;

/** Puts the workspace's collection in use that a job has filled beside it; of all workspaces where none is named. */
export async function finishMoves(
  deps: Pick<IndexingDeps, "db" | "log">,
  workspaceId: string | null,
): Promise<void> {
  for (const { id, model } of await switchCollections(deps.db, workspaceId)) {
    deps.log.info("a workspace has moved to another embedding model", { workspace_id: id, model });
  }
}

/**
 * Moves workspaces from the previous embedding model to the configured one, some at a time, and deletes the
 * collections that were left some minutes ago.
 * @returns how many jobs were started, and collections deleted.
 */
export async function moveModels(deps: IndexingDeps): Promise<{ started: number; deleted: number }> {
  await finishMoves(deps, null);
  return { started: await startMoves(deps), deleted: await deleteReplaced(deps) };
}

async function startMoves(deps: IndexingDeps): Promise<number> {
  const { previousEmbedding } = deps;
  if (previousEmbedding === null || sameEmbedding(previousEmbedding, deps.embedder)) return 0;
  const [underWay] = await countMoves(deps.db);
  const room = MOVES_AT_ONCE - (underWay?.moves ?? 0);
  if (room <= 0) return 0;
  let started = 0;
  for (const { id } of await selectWorkspacesOfModel(deps.db, previousEmbedding, room)) {
    try {
      const spec = { path: ".", recursive: true, force: true };
      const job = await startIndex(deps, { workspaceId: id, keyId: null, requestId: null, spec });
      if (job !== null) started += 1;
    } catch (error) {
      deps.log.error("a workspace could not be moved to another embedding model", error, {
        workspace_id: id,
      });
    }
  }
  return started;
}

async function deleteReplaced(deps: IndexingDeps): Promise<number> {
  const now = deps.now();
  const ended = { fromMs: now - REPLACED_LOOKED_FOR_MS, toMs: now - REPLACED_KEPT_MS };
  let deleted = 0;
  for (const { jobId, workspaceId, name } of await selectReplacedCollections(
    deps.db,
    ended,
    REPLACED_AT_ONCE,
  )) {
    const [workspace] = await selectWorkspace(deps.db, workspaceId);
    // A job that did not get through has replaced nothing; and a workspace may have gone back to the model.
    const stored = workspace === undefined ? null : storedEmbedding(workspace);
    const inUse = stored === null ? null : await collectionName(workspaceId, stored);
    const next = workspace?.nextCollection ?? null;
    if (name !== inUse && (next === null || name !== (await collectionName(workspaceId, next)))) {
      await deps.vectors.deleteCollection(name);
      deleted += 1;
    } else if (next !== null) continue;
    await forgetReplacedCollection(deps.db, jobId);
  }
  return deleted;
}
