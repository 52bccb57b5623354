import type { Budget } from "../core/budget.ts";
import { storedEmbedding } from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import type { Limiters } from "../core/limiter.ts";
import { LIMITS } from "../core/limits.ts";
import type { IndexingMessage } from "../core/ports.ts";
import { selectUnrevokedKeys } from "../db/api-keys.ts";
import { deleteGarbage } from "../db/blob-garbage.ts";
import {
  countWorkspaceRows,
  deleteWorkspaceRow,
  deleteWorkspaceRows,
  selectRetiredCollections,
  writeReceiptOnce,
} from "../db/erase-workspace.ts";
import { finishJob, type JobRow, markExpanded, selectJob, touchJob } from "../db/jobs.ts";
import { selectAnyWorkspace, type WorkspaceRow } from "../db/workspaces.ts";
import { collectionName } from "./collection.ts";
import type { IndexingDeps } from "./deps.ts";

export interface EraseDeps
  extends Pick<IndexingDeps, "db" | "blobs" | "queue" | "embedder" | "vectors" | "workspaceIndex" | "now"> {
  budgetOf(workspaceId: string): Budget;
  limiters: Limiters;
}

/** Round trips of one delivery; the next one goes on. A Worker has 10,000, and a consumer 15 minutes. */
const PAGES_AT_ONCE = 500;
const OBJECTS = 1_000;
const DAY_MS = 24 * 3_600_000;

/**
 * Erases a workspace that is marked as deleted: keys, index, vectors, objects, budget, rows. Each step finds what an
 * interrupted one left, and the workspace's own row goes last; the job stays, with the receipt, as the memory of it.
 * The receipt counts what there was before the first step; a step ends only when a look finds nothing any more.
 * Errors: those of the stores, for the queue to retry; where retries are spent the cron goes on.
 */
export async function eraseWorkspace(
  deps: EraseDeps,
  message: Extract<IndexingMessage, { kind: "delete_workspace" }>,
): Promise<void> {
  const { workspaceId, jobId } = message;
  const [job] = await selectJob(deps.db, workspaceId, jobId);
  const [workspace] = await selectAnyWorkspace(deps.db, workspaceId);
  if (job === undefined || job.finishedAt !== null) return;
  if (workspace === undefined || workspace.deletedAt === null) {
    throw new Error("a workspace that is not marked as deleted is not erased");
  }
  const { deletedAt } = workspace;
  await touchJob(deps.db, jobId, deps.now());

  const collections = await collectionsOf(deps, workspace);
  if (job.receipt === null) await measure(deps, { ...workspace, deletedAt }, job, collections);
  await revokeKeys(deps, workspaceId);
  await deps.workspaceIndex(workspaceId).clear();
  for (const name of collections) await deleteCollection(deps, name);
  await deps.budgetOf(workspaceId).clear();
  const gone =
    (await deleteObjects(deps, workspaceId, jobId)) &&
    (await deleteRows(deps, { workspaceId, jobId, deletedAt }));
  if (!gone) return deps.queue.send([message]);
  const now = deps.now();
  await deps.db.batch([
    deleteWorkspaceRow(deps.db, workspaceId),
    markExpanded(deps.db, jobId, now),
    finishJob(deps.db, jobId, now),
  ]);
}

/** Names of all collections that may hold vectors of the workspace: in use, of the configured model, retired. */
async function collectionsOf(deps: EraseDeps, workspace: WorkspaceRow): Promise<string[]> {
  const stored = storedEmbedding(workspace);
  const retired = await selectRetiredCollections(deps.db, workspace.id);
  const names = [
    await collectionName(workspace.id, deps.embedder),
    ...(stored === null ? [] : [await collectionName(workspace.id, stored)]),
    ...retired.map(({ name }) => name),
  ];
  return [...new Set(names)];
}

async function measure(
  deps: EraseDeps,
  { id, deletedAt }: { id: string; deletedAt: number },
  job: JobRow,
  collections: readonly string[],
): Promise<void> {
  let vectors = 0;
  for (const name of collections) {
    const collection = await deps.vectors.findCollection(name);
    if (collection !== null) vectors += await deps.vectors.count(collection);
  }
  const [counted] = await countWorkspaceRows(deps.db, id, job.id, deletedAt);
  const { chunks } = await deps.workspaceIndex(id).stats();
  await writeReceiptOnce(deps.db, job.id, {
    rows: counted?.rows ?? 0,
    blobs: await countObjects(deps.blobs, id),
    vectors,
    chunks,
    backups_expire_at: new Date(deletedAt + LIMITS.backupDays * DAY_MS).toISOString(),
  });
}

/** Once more: the request that accepted the deletion may have ended before it had told all limiters. */
async function revokeKeys({ db, limiters }: EraseDeps, workspaceId: string): Promise<void> {
  for (const { id, bucketId } of await selectUnrevokedKeys(db, workspaceId)) {
    await limiters(`key:${bucketId}`).revoke(id);
  }
}

async function deleteCollection({ vectors }: EraseDeps, name: string): Promise<void> {
  await vectors.deleteCollection(name);
  if ((await vectors.findCollection(name)) === null) return;
  throw new DevFlowError("upstream_unavailable", "The vector store has not deleted the collection yet.");
}

async function countObjects(blobs: R2Bucket, workspaceId: string): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await blobs.list({ prefix: prefixOf(workspaceId), ...(cursor ? { cursor } : {}) });
    count += page.objects.length;
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return count;
}

/** @returns whether none is left; false where this delivery has done its share. */
async function deleteObjects(deps: EraseDeps, workspaceId: string, jobId: string): Promise<boolean> {
  for (let page = 0; page < PAGES_AT_ONCE; page++) {
    const { objects } = await deps.blobs.list({ prefix: prefixOf(workspaceId), limit: OBJECTS });
    if (objects.length === 0) return true;
    const keys = objects.map(({ key }) => key);
    await deps.blobs.delete(keys);
    await deleteGarbage(deps.db, keys);
    await touchJob(deps.db, jobId, deps.now());
  }
  return false;
}

/** @returns as `deleteObjects`. */
async function deleteRows(
  deps: EraseDeps,
  { workspaceId, jobId, deletedAt }: { workspaceId: string; jobId: string; deletedAt: number },
): Promise<boolean> {
  let pages = 0;
  for (const deletePage of deleteWorkspaceRows(deps.db, workspaceId, jobId, deletedAt)) {
    for (;;) {
      const { meta } = await deletePage();
      if (meta.changes === 0) break;
      await touchJob(deps.db, jobId, deps.now());
      if (++pages === PAGES_AT_ONCE) return false;
    }
  }
  return true;
}

/** Of every object of the workspace: blobs, spooled archives, and whatever is kept there later. */
function prefixOf(workspaceId: string): string {
  return `ws/${workspaceId}/`;
}
