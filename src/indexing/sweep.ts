import { mapBounded } from "../core/bounded.ts";
import { CollectionGoneError } from "../core/collection-gone.ts";
import { indexMessages } from "../core/messages.ts";
import type { IndexingMessage } from "../core/ports.ts";
import { blobKey, insertGarbage } from "../db/blob-garbage.ts";
import { collectionIds, takeGeneration } from "../db/collections.ts";
import { markPending } from "../db/file-index-state.ts";
import { selectFiles } from "../db/files.ts";
import { finishJob, markExpanded, selectJob, touchJob } from "../db/jobs.ts";
import { addToRepair, countBlobs, reopenJobFiles, selectContents, selectKnownBlobs } from "../db/sweep.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import type { IndexingDeps } from "./deps.ts";

export type SweepMessage = Extract<IndexingMessage, { kind: "sweep" }>;

/** Bounds of one message; the next one goes on. Vectors: ten reads of Chroma. */
const FILES = 1_000;
const VECTORS = 3_000;
const BLOBS = 1_000;
/** Contents looked for by a request to R2 each. */
const CONTENTS = 300;
const HEADS_AT_ONCE = 4;
/** Longer than any upload takes. */
const ORPHANED_AFTER_MS = 6 * 3_600_000;

/** Whether an object is too old to be of an upload, or a restore, that is still under way. */
export function isSettled({ uploaded }: { uploaded: Date }, now: number): boolean {
  return uploaded.getTime() < now - ORPHANED_AFTER_MS;
}

/** Where a step goes on, or null where it is through. */
type Next = Pick<SweepMessage, "after" | "owned"> | null;

/** What a page of a step found, by its name in the job's receipt. */
interface Found {
  counts: Record<string, number>;
  next: Next;
  /** What can follow has nothing to find. */
  last?: boolean;
}

/** The step that comes after one that is through; null: the job has found all that it will. */
const FOLLOWING = { chunks: "vectors", vectors: "blobs", blobs: "contents", contents: null } as const;
const PAGES = { chunks: sweepChunks, vectors: sweepVectors, blobs: sweepBlobs, contents: sweepContents };

/**
 * Looks for what belongs to no file, a page at a time, takes it away, and counts it in the job's receipt. Delivered
 * twice, it finds nothing the second time. Errors: `upstream_unavailable`.
 */
export async function sweepJob(deps: IndexingDeps, message: SweepMessage): Promise<void> {
  const { jobId, workspaceId, step } = message;
  const [job] = await selectJob(deps.db, workspaceId, jobId);
  if (job === undefined || job.finishedAt !== null) return;
  await touchJob(deps.db, jobId, deps.now());
  const { counts, next, last } = await PAGES[step](deps, message);
  if (Object.values(counts).some((count) => count > 0)) {
    deps.log.warning("a repair found what belongs to no file", { job_id: jobId, step, ...counts });
  }
  await addToRepair(deps.db, jobId, counts);
  const following = next !== null ? step : last === true ? null : FOLLOWING[step];
  if (following !== null) {
    const { owned: _, ...rest } = message;
    await deps.queue.send([{ ...rest, step: following, ...(next ?? { after: "" }) }]);
    return;
  }
  const now = deps.now();
  await deps.db.batch([markExpanded(deps.db, jobId, now), finishJob(deps.db, jobId, now)]);
}

/**
 * Chunks of files that have no row any more, or none with content. The generation is taken first: whoever accepts one
 * of those paths after the look has a newer one, and is not touched.
 */
async function sweepChunks(deps: IndexingDeps, { workspaceId, after }: SweepMessage): Promise<Found> {
  const [taken] = await takeGeneration(deps.db, workspaceId);
  const index = deps.workspaceIndex(workspaceId);
  const page = await index.heldFiles(after, FILES);
  const rows = await selectFiles(
    deps.db,
    workspaceId,
    page.map(({ path }) => path),
  );
  const stored = new Map(rows.map((row) => [row.path, row]));
  const gone = page.flatMap(({ path }) => {
    const row = stored.get(path);
    if (row === undefined) return taken === undefined ? [] : [{ path, generation: taken.generation }];
    return row.blob === null ? [{ path, generation: row.generation }] : [];
  });
  const { chunks, obsolete } = gone.length === 0 ? { chunks: 0, obsolete: [] } : await index.remove(gone);
  await dropVectors(deps, workspaceId, obsolete);
  const last = page.length < FILES ? undefined : page.at(-1);
  return { counts: { orphaned_chunks: chunks }, next: last === undefined ? null : { after: last.path } };
}

/** Vectors that no chunk has, and that nobody is about to write or to delete. */
async function sweepVectors(deps: IndexingDeps, { workspaceId, after }: SweepMessage): Promise<Found> {
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  const collection = workspace?.collectionId ?? null;
  const none: Found = { counts: { orphaned_vectors: 0 }, next: null };
  if (collection === null) return none;
  const offset = Number(after);
  try {
    const ids = await deps.vectors.list(collection, offset, VECTORS);
    const strangers = ids.length === 0 ? [] : await deps.workspaceIndex(workspaceId).disown(ids);
    await dropVectors(deps, workspaceId, strangers);
    return {
      counts: { orphaned_vectors: strangers.length },
      // What was deleted makes the rest move up.
      next: ids.length < VECTORS ? null : { after: String(offset + ids.length - strangers.length) },
    };
  } catch (error) {
    if (error instanceof CollectionGoneError) return none;
    throw error;
  }
}

async function dropVectors(deps: IndexingDeps, workspaceId: string, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  for (const collection of collectionIds(workspace)) await deps.vectors.delete(collection, ids);
  await deps.workspaceIndex(workspaceId).settle(ids);
}

/** Objects that no file owns and that nobody noted: noted now, and deleted by the cron. */
async function sweepBlobs(deps: IndexingDeps, message: SweepMessage): Promise<Found> {
  const { workspaceId, after } = message;
  const prefix = blobKey(workspaceId, "");
  const listed = await deps.blobs.list({
    prefix,
    limit: BLOBS,
    ...(after === "" ? {} : { startAfter: blobKey(workspaceId, after) }),
  });
  const blobs = listed.objects.map(({ key }) => key.slice(prefix.length));
  const known = await selectKnownBlobs(deps.db, workspaceId, prefix, blobs);
  const names = new Set(known.map(({ blob }) => blob));
  const orphans = listed.objects.filter(
    (object) => !names.has(object.key.slice(prefix.length)) && isSettled(object, deps.now()),
  );
  const keys = orphans.map(({ key }) => key);
  if (keys.length > 0) await insertGarbage(deps.db, workspaceId, keys, deps.now());
  const owned = (message.owned ?? 0) + known.filter((blob) => blob.owned === 1).length;
  const counts = { orphaned_blobs: orphans.length };
  const last = listed.truncated ? blobs.at(-1) : undefined;
  if (last !== undefined) return { counts, next: { after: last, owned } };
  const [wanted] = await countBlobs(deps.db, workspaceId);
  // As many as files want: none is missing, and none need be looked for.
  return { counts, next: null, last: owned >= (wanted?.count ?? 0) };
}

/** Files whose content is gone: they are indexed again, and fail with a message that says so. */
async function sweepContents(deps: IndexingDeps, message: SweepMessage): Promise<Found> {
  const { workspaceId, jobId, after } = message;
  const page = await selectContents(deps.db, workspaceId, after, CONTENTS);
  const there = await mapBounded(page, HEADS_AT_ONCE, ({ blob }) =>
    deps.blobs.head(blobKey(workspaceId, blob ?? "")),
  );
  const gone = page.filter((_, i) => there[i] === null);
  if (gone.length > 0) {
    await deps.db.batch([markPending(deps.db, workspaceId, gone), reopenJobFiles(deps.db, jobId, gone)]);
    await deps.queue.send(indexMessages(workspaceId, jobId, gone));
  }
  const last = page.length < CONTENTS ? undefined : page.at(-1);
  return { counts: { lost_contents: gone.length }, next: last === undefined ? null : { after: last.path } };
}
