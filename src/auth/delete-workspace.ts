import { mapBounded } from "../core/bounded.ts";
import { newTimeId } from "../core/ids.ts";
import type { Limiters } from "../core/limiter.ts";
import type { MessageQueue } from "../core/ports.ts";
import { selectUnrevokedKeys } from "../db/api-keys.ts";
import { insertJobIfRoom, selectDeletionJob } from "../db/jobs.ts";
import { insertSecurityEvent } from "../db/security-events.ts";
import { markWorkspaceDeleted } from "../db/workspaces.ts";
import { announce } from "./announce.ts";
import { type Actor, eventOf } from "./key-row.ts";
import { getWorkspace, type WorkspaceDeps } from "./workspaces.ts";

export interface DeleteWorkspaceDeps extends WorkspaceDeps {
  limiters: Limiters;
  queue: MessageQueue;
}

/** Limiters told side by side: a Worker has 6 connections. */
const WIDTH = 4;

/**
 * Refuses all keys of the workspace and their tokens from the next request on, and leaves its erasure to a job. To
 * ask again tells the limiters again, and gives the same job.
 * Errors: `not_found`; `upstream_unavailable` where it is stored but a limiter could not be told: ask again.
 * @returns the job's id.
 */
export async function deleteWorkspace(
  deps: DeleteWorkspaceDeps,
  actor: Actor,
  workspaceId: string,
): Promise<string> {
  const job = (await deletionOf(deps, workspaceId)) ?? (await begin(deps, actor, workspaceId));
  if (job.finishedAt !== null) return job.id;
  const keys = await selectUnrevokedKeys(deps.db, workspaceId);
  await mapBounded(keys, WIDTH, ({ id, bucketId }) =>
    announce(deps, bucketId, (limiter) => limiter.revoke(id)),
  );
  await deps.queue.send([{ kind: "delete_workspace", workspaceId, jobId: job.id, bulk: true }]);
  return job.id;
}

async function begin(deps: DeleteWorkspaceDeps, actor: Actor, workspaceId: string) {
  await getWorkspace(deps, workspaceId);
  const now = deps.now();
  const event = eventOf(actor, "workspace_deleted", workspaceId, null, {}, now);
  await deps.db.batch([
    insertJobIfRoom(deps.db, {
      id: newTimeId("job", now),
      workspaceId,
      keyId: actor.principal.keyId,
      requestId: actor.requestId,
      kind: "delete_workspace",
      spec: {},
      now,
      // It makes an end of the others.
      maxOpen: Number.MAX_SAFE_INTEGER,
    }),
    markWorkspaceDeleted(deps.db, workspaceId, now),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
  // Of two requests at once, one made it.
  const job = await deletionOf(deps, workspaceId);
  if (job === null) throw new Error("a workspace was marked as deleted without a job");
  return job;
}

async function deletionOf({ db }: WorkspaceDeps, workspaceId: string) {
  const [job] = await selectDeletionJob(db, { workspaceId });
  return job ?? null;
}
