import { CollectionGoneError } from "../core/collection-gone.ts";
import { inBulk, indexMessages } from "../core/messages.ts";
import { parseSelector } from "../core/path.ts";
import type { IndexingMessage } from "../core/ports.ts";
import { markPending, renewFiles } from "../db/file-index-state.ts";
import { type FileRow, listFiles } from "../db/files.ts";
import { recountEndedJob } from "../db/job-counts.ts";
import { insertJobFiles, type NewJobFile } from "../db/job-files.ts";
import { finishJob, markExpanded, selectJob, touchJob } from "../db/jobs.ts";
import type { JobSpec } from "../db/schema.ts";
import { addToRepair } from "../db/sweep.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import type { IndexingDeps } from "./deps.ts";
import { type Held, heldOf } from "./held.ts";
import { finishMoves } from "./move-models.ts";
import { rebuildCollection } from "./rebuild.ts";
import { fileFilter, selectsEverything, type Treatment, treatmentOf } from "./selection.ts";

type ExpandMessage = Extract<IndexingMessage, { kind: "expand" }>;

/** Files of one page: as many as fit a D1 batch and one round of queue messages. */
const PAGE = 1_000;

/**
 * Turns one page of the job's selection into `index` messages, and asks for the next page: without `force` of files of
 * which index or vectors lack something. Where that is looked for in the whole workspace, a sweep for what belongs to
 * no file comes last. Delivered twice, it finds
 * its rows and sends the messages again, which do no harm.
 */
export async function expandJob(deps: IndexingDeps, message: ExpandMessage): Promise<void> {
  const { workspaceId, jobId, afterPath } = message;
  const [job] = await selectJob(deps.db, workspaceId, jobId);
  if (job === undefined || job.finishedAt !== null) return;
  const { spec } = job;
  if (afterPath === "" && spec.retiredCollection !== undefined) {
    // Nothing reads it any more: queries are embedded by the new model.
    await deps.vectors.deleteCollection(spec.retiredCollection);
  }

  const after = afterPath === "" ? null : afterPath;
  const page = await listFiles(deps.db, workspaceId, parseSelector(spec.path), after, PAGE);
  const filter = fileFilter(spec);
  const selected = page.filter(({ path }) => filter.takes(path));
  const toIndex = await takePage(deps, message, spec, selected);
  const last = page.length < PAGE ? null : (page.at(-1)?.path ?? null);

  const bulk = afterPath !== "" || last !== null;
  const sweeps = spec.force !== true && selectsEverything(spec);
  const sweep: IndexingMessage = { kind: "sweep", workspaceId, jobId, step: "chunks", after: "" };
  await deps.queue.send([
    ...indexMessages(workspaceId, jobId, toIndex, { bulk }),
    ...(last === null ? [] : [inBulk({ ...message, afterPath: last })]),
    ...(last === null && sweeps ? [bulk ? inBulk(sweep) : sweep] : []),
  ]);
  if (last === null && !sweeps) {
    const now = deps.now();
    await deps.db.batch([markExpanded(deps.db, jobId, now), finishJob(deps.db, jobId, now)]);
    if (spec.replacedCollection !== undefined) await finishMoves(deps, workspaceId);
  }
}

/** Writes the page's rows; returns the files that are to be indexed. */
async function takePage(
  deps: IndexingDeps,
  { workspaceId, jobId }: ExpandMessage,
  spec: JobSpec,
  rows: FileRow[],
): Promise<{ path: string; generation: number; size: number }[]> {
  const { db } = deps;
  const held = spec.force === true ? new Map<string, Held>() : await heldOfPage(deps, workspaceId, rows);
  const treated = rows.map((row) => ({ row, treatment: treatmentOf(row, spec, held.get(row.path)) }));
  const versions = treated
    .filter(({ treatment }) => treatment.action === "index")
    .map(({ row: { path, generation } }) => ({ path, generation }));
  const jobGeneration = spec.generation ?? 0;

  const found = treated.map(({ row, treatment }): NewJobFile => {
    const { path } = row;
    // A forced index is a change: whoever still works on the file as it stood loses against it.
    const generation =
      spec.force === true && treatment.action === "index"
        ? Math.max(jobGeneration, row.generation)
        : row.generation;
    if (treatment.action === "index") {
      return { path, generation, status: "pending", reason: null, message: null };
    }
    const { status, reason, message } = treatment;
    return { path, generation, status, reason, message };
  });
  await db.batch([
    spec.force === true
      ? renewFiles(db, workspaceId, versions, jobGeneration)
      : markPending(db, workspaceId, versions),
    insertJobFiles(db, jobId, found),
    ...(spec.force === true ? [] : [addToRepair(db, jobId, lacking(treated, held))]),
    touchJob(db, jobId, deps.now()),
    recountEndedJob(db, jobId),
  ]);

  const sizes = new Map(rows.map(({ path, size }) => [path, size]));
  return found.flatMap(({ path, generation, status }) =>
    status === "pending" ? [{ path, generation, size: sizes.get(path) ?? 0 }] : [],
  );
}

async function heldOfPage(
  deps: IndexingDeps,
  workspaceId: string,
  rows: readonly FileRow[],
): Promise<Map<string, Held>> {
  const paths = rows.map(({ path }) => path);
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  const collectionId = workspace?.collectionId ?? null;
  try {
    return await heldOf(deps, workspaceId, collectionId, paths);
  } catch (error) {
    if (!(error instanceof CollectionGoneError) || collectionId === null) throw error;
    await rebuildCollection(deps, workspaceId, collectionId);
    throw error;
  }
}

/** What the job's receipt says of files that were indexed and are not whole any more. */
function lacking(
  treated: readonly { row: FileRow; treatment: Treatment }[],
  held: ReadonlyMap<string, Held>,
): Record<string, number> {
  const counts = { lost_chunks: 0, lost_vectors: 0 };
  for (const { row, treatment } of treated) {
    if (treatment.action !== "index" || row.status !== "indexed") continue;
    const holding = held.get(row.path);
    const current = holding?.generation === row.generation ? holding : undefined;
    counts.lost_chunks += Math.max(0, row.chunks - (current?.chunks ?? 0));
    counts.lost_vectors += current?.withoutVector ?? 0;
  }
  return counts;
}
