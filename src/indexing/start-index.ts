import { requireSameEmbedding, sameEmbedding, storedEmbedding } from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import { newTimeId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { parseSelector } from "../core/path.ts";
import { replaceCollection, takeGeneration } from "../db/collections.ts";
import { insertJobIfRoom } from "../db/jobs.ts";
import type { JobSpec } from "../db/schema.ts";
import { selectWorkspace } from "../db/workspaces.ts";
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
 * vectors of two models cannot be compared.
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
  const switches = stored !== null && !sameEmbedding(stored, deps.embedder);
  if (switches && !(spec.force === true && selectsEverything(spec))) {
    requireSameEmbedding(stored, deps.embedder);
  }
  if (!(await anythingToDo(deps, workspace, spec, filter))) return null;

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
  if (switches) {
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
