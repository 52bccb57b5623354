import { DevFlowError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { MessageQueue } from "../core/ports.ts";
import type { Database } from "../db/database.ts";
import { selectJob } from "../db/jobs.ts";
import {
  commitSync as commitStatement,
  countSyncFiles,
  insertSyncJob,
  type SyncRow,
  selectSync,
  selectUploadsMissing,
} from "../db/syncs.ts";

export interface SyncDeps {
  db: Database;
  queue: MessageQueue;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Who syncs: a plan belongs to the bucket of its key. */
export interface SyncCaller {
  workspaceId: string;
  bucketId: string;
  keyId: string;
  requestId: string;
}

/** Paths that a refusal names. */
const NAMED = 100;

/** A plan of this key's. Errors: `not_found`, for those of others too. */
export async function findSync(
  deps: Pick<SyncDeps, "db">,
  caller: Pick<SyncCaller, "workspaceId" | "bucketId">,
  id: string,
): Promise<SyncRow> {
  const [sync] = await selectSync(deps.db, caller.workspaceId, caller.bucketId, id);
  if (sync === undefined)
    throw new DevFlowError("not_found", "This key has no such sync; it may have expired.");
  return sync;
}

/** Errors: `conflict` for a plan that was committed or has expired. */
export function requireOpen(sync: SyncRow, now: number): void {
  if (sync.committedAt !== null) throw new DevFlowError("conflict", "The sync was committed; plan another.");
  if (sync.expiresAt <= now) throw new DevFlowError("conflict", "The sync has expired; plan it anew.");
}

/**
 * The one job of all that a sync does, made when there is something to do first.
 * Errors: `quota_exceeded` for running jobs; `conflict` where it is over, cancelled for one.
 */
export async function openSyncJob(deps: SyncDeps, caller: SyncCaller, sync: SyncRow): Promise<string> {
  const { workspaceId, keyId, requestId } = caller;
  const [, [job]] = await deps.db.batch([
    insertSyncJob(deps.db, {
      id: sync.jobId,
      workspaceId,
      keyId,
      requestId,
      spec: { sync: sync.id, ...(sync.path === null ? {} : { path: sync.path }) },
      now: deps.now(),
      maxOpen: LIMITS.workspaceRunningJobs,
    }),
    selectJob(deps.db, workspaceId, sync.jobId),
  ]);
  if (job === undefined) {
    throw new DevFlowError(
      "quota_exceeded",
      `The workspace may have ${LIMITS.workspaceRunningJobs} jobs running; wait for one to end.`,
      { members: { quota: "running_jobs", max: LIMITS.workspaceRunningJobs } },
    );
  }
  if (job.finishedAt !== null) {
    throw new DevFlowError("conflict", `The job of the sync has ${job.status} already; plan it anew.`);
  }
  return sync.jobId;
}

export interface CommitSync {
  deleteMissing: boolean;
  allowMassDelete: boolean;
}

/**
 * Makes the workspace what the plan says: copies and renames, then, with `deleteMissing`, deletions, once all that was
 * uploaded is indexed. What changed since the plan stays as it is. To commit it again changes nothing.
 * Errors: `conflict` where an upload is missing, over half of the files would be deleted, or the plan has expired;
 * `quota_exceeded` for running jobs.
 * @returns the job, or null where nothing is left to do.
 */
export async function commitSync(
  deps: SyncDeps,
  caller: SyncCaller,
  id: string,
  options: CommitSync,
): Promise<string | null> {
  const sync = await findSync(deps, caller, id);
  if (sync.committedAt !== null) return jobOf(deps, sync);
  requireOpen(sync, deps.now());
  const [named, counted] = selectUploadsMissing(deps.db, sync, NAMED);
  const [paths, [missing]] = await deps.db.batch([named, counted]);
  if (missing !== undefined && missing.count > 0) {
    throw new DevFlowError("conflict", `${missing.count} files of the plan are not uploaded.`, {
      members: { upload: paths.map(({ path }) => path), upload_count: missing.count },
    });
  }
  const deletes = options.deleteMissing ? sync.missing : 0;
  if (deletes * 2 > sync.storedFiles && !options.allowMassDelete) {
    const detail = `${deletes} of ${sync.storedFiles} files would be deleted; send allow_mass_delete if that is meant.`;
    // The same request never helps, as it does where two met.
    throw new DevFlowError("conflict", detail, { members: { missing_count: deletes, retryable: false } });
  }
  const idle = deletes === 0 && sync.renames + sync.copies === 0 && (await jobOf(deps, sync)) === null;
  if (!idle) await openSyncJob(deps, caller, sync);
  const [committed] = await commitStatement(deps.db, id, options.deleteMissing, deps.now());
  // Another commit came first, or none can come any more.
  if (committed === undefined) {
    const now = await findSync(deps, caller, id);
    if (now.committedAt === null) requireOpen(now, deps.now());
    return jobOf(deps, now);
  }
  if (idle) return null;
  await deps.queue.send([{ kind: "sync", workspaceId: sync.workspaceId, jobId: sync.jobId }]);
  return sync.jobId;
}

async function jobOf(deps: Pick<SyncDeps, "db">, sync: SyncRow): Promise<string | null> {
  const [job] = await selectJob(deps.db, sync.workspaceId, sync.jobId);
  return job?.id ?? null;
}

export interface SyncView {
  sync: SyncRow;
  status: "open" | "committed" | "expired";
  uploaded: number;
  /** Paths that uploads are still waited for, the first hundred. */
  waiting: string[];
  jobId: string | null;
}

/** How far a sync is. Errors: `not_found`. */
export async function viewSync(deps: SyncDeps, caller: SyncCaller, id: string): Promise<SyncView> {
  const sync = await findSync(deps, caller, id);
  const [named] = selectUploadsMissing(deps.db, sync, NAMED);
  const [counts, waiting, [job]] = await deps.db.batch([
    countSyncFiles(deps.db, id),
    named,
    selectJob(deps.db, sync.workspaceId, sync.jobId),
  ]);
  const uploaded = counts
    .filter(({ kind, state }) => kind === "upload" && state !== "planned")
    .reduce((sum, { count }) => sum + count, 0);
  const open = sync.expiresAt > deps.now() ? "open" : "expired";
  return {
    sync,
    status: sync.committedAt === null ? open : "committed",
    uploaded,
    waiting: sync.committedAt === null ? waiting.map(({ path }) => path) : [],
    jobId: job?.id ?? null,
  };
}
