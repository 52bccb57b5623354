import { embeddingInUse, isServed, sameEmbedding, storedEmbedding } from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import { newTimeId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { parseSelector } from "../core/path.ts";
import { dropCollection, replaceCollection, setNextCollection, takeGeneration } from "../db/collections.ts";
import { insertJobIfRoom } from "../db/jobs.ts";
import type { JobSpec } from "../db/schema.ts";
import { selectWorkspace, type WorkspaceRow } from "../db/workspaces.ts";
import { anythingToDo } from "./anything-to-do.ts";
import { collectionName, openModelCollection } from "./collection.ts";
import type { IndexingDeps } from "./deps.ts";
import { type JobView, viewJob } from "./job.ts";
import { fileFilter, selectsEverything } from "./selection.ts";

export interface StartIndex {
  workspaceId: string;
  keyId: string | null;
  requestId: string | null;
  spec: JobSpec;
}

/**
 * Starts a job that indexes stored files: those of which index or vectors lack anything, or with `force` all that are
 * selected. What they hold is looked up, not believed.
 * Forced over the whole workspace, it also moves to the configured embedding model: into a new collection, for the
 * vectors of two models cannot be compared. Where the deployment can still embed by the model in use, that goes on
 * answering until the new collection is complete; a move that is under way is answered as it stands.
 * @returns the job, or null where nothing is left to do.
 * Errors: `invalid_path`, `unsupported_pattern`, `embedding_mismatch`, `quota_exceeded`, `upstream_unavailable`.
 */
export async function startIndex(deps: IndexingDeps, input: StartIndex): Promise<JobView | null> {
  const { workspaceId } = input;
  const path = parseSelector(input.spec.path) ?? ".";
  const spec: JobSpec = { ...input.spec, path };
  const filter = fileFilter(spec);
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  if (workspace === undefined) throw new DevFlowError("not_found", "There is no such workspace.");

  const stored = storedEmbedding(workspace);
  const everything = spec.force === true && selectsEverything(spec);
  const switches = everything && stored !== null && !sameEmbedding(stored, deps.embedder);
  if (!everything) embeddingInUse(stored, deps);
  if (switches) {
    const move = await moveUnderWay(deps, workspace);
    if (move !== null) return move;
  }
  if (!(await anythingToDo(deps, workspace, spec, filter))) {
    if (switches) await dropCollection(deps.db, workspaceId, workspace.collectionId);
    return null;
  }

  const now = deps.now();
  const id = newTimeId("job", now);
  const job = {
    id,
    workspaceId,
    keyId: input.keyId,
    requestId: input.requestId,
    kind: "index" as const,
    now,
  };
  const room = { maxOpen: LIMITS.workspaceRunningJobs };
  let made: { id: string }[];
  if (switches && isServed(stored, deps)) {
    const { model, dimensions } = deps.embedder;
    // What an earlier move left there would be taken for complete.
    await deps.vectors.deleteCollection(await collectionName(workspaceId, deps.embedder));
    const collectionId = await openModelCollection(deps, workspaceId);
    const replacedCollection = await collectionName(workspaceId, stored);
    const next = { model, dimensions, collectionId, jobId: id };
    [, made] = await deps.db.batch([
      takeGeneration(deps.db, workspaceId),
      insertJobIfRoom(deps.db, {
        ...job,
        ...room,
        spec: { ...spec, replacedCollection },
        whileCollection: workspace.collectionId,
      }),
      setNextCollection(deps.db, workspaceId, workspace.collectionId, next),
    ]);
  } else if (switches) {
    const { model, dimensions } = deps.embedder;
    const collectionId = await openModelCollection(deps, workspaceId);
    const retiredCollection = await collectionName(workspaceId, stored);
    [, made] = await deps.db.batch([
      takeGeneration(deps.db, workspaceId),
      insertJobIfRoom(deps.db, {
        ...job,
        ...room,
        spec: { ...spec, retiredCollection },
        whileCollection: workspace.collectionId,
      }),
      replaceCollection(
        deps.db,
        workspaceId,
        workspace.collectionId,
        { model, dimensions, collectionId },
        id,
      ),
    ]);
  } else {
    [, made] = await deps.db.batch([
      takeGeneration(deps.db, workspaceId),
      insertJobIfRoom(deps.db, { ...job, ...room, spec }),
    ]);
  }
  if (made.length === 0) {
    throw new DevFlowError(
      "quota_exceeded",
      `The workspace has ${LIMITS.workspaceRunningJobs} jobs under way; wait for one to end.`,
    );
  }
  await deps.queue.send([{ kind: "expand", workspaceId, jobId: id, afterPath: "" }]);
  return viewJob(deps, workspaceId, id);
}

/** The job that moves the workspace to the configured model, if one is under way. */
async function moveUnderWay(
  deps: IndexingDeps,
  { id, nextCollection }: WorkspaceRow,
): Promise<JobView | null> {
  if (nextCollection === null || !sameEmbedding(nextCollection, deps.embedder)) return null;
  const job = await viewJob(deps, id, nextCollection.jobId);
  return job.finishedAt === null ? job : null;
}
