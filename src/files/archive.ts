import { DevFlowError } from "../core/errors.ts";
import { base32, newTimeId, randomBytes } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { inBulk } from "../core/messages.ts";
import { deleteGarbage, insertGarbage } from "../db/blob-garbage.ts";
import { takeGeneration } from "../db/collections.ts";
import {
  failJob,
  finishJob,
  insertJobIfRoom,
  jobExists,
  markExpanded,
  selectJob,
  touchJob,
} from "../db/jobs.ts";
import { insertSecurityEventIf } from "../db/security-events.ts";
import { type AcceptDeps, accept, deleteBlobs } from "./accept.ts";
import { tooLargeToIndex } from "./inspect.ts";
import { secretOverride } from "./secrets.ts";
import { type ArchiveEntry, ArchiveError, readTarGz } from "./tar.ts";
import { UploadGroup } from "./upload-group.ts";
import type { Uploader } from "./uploader.ts";

export interface UploadArchive {
  /** Folder that the entries' names are relative to; null is the workspace. */
  folder: string | null;
  body: ReadableStream<Uint8Array>;
  /** As the client declared them; the body is held to it. */
  bytes: number;
  /** An admin said that secrets in the files are no matter. */
  allowSecrets: boolean;
  useDefaultIgnores: boolean;
}

/** A larger archive is a large job: it takes minutes to unpack, and small jobs do not wait for that. */
const SMALL_ARCHIVE_BYTES = 1024 * 1024;

/** Entries that are accepted together. */
const GROUP_ENTRIES = 100;

/**
 * Spools an archive to R2 and leaves it to a job. Its files take the generation of this moment, so that whatever is
 * accepted later wins over them, however late they are unpacked.
 * Errors: `quota_exceeded` for running jobs; `invalid_request` where the body is not as long as declared.
 * @returns the job.
 */
export async function uploadArchive(
  deps: AcceptDeps,
  uploader: Uploader,
  upload: UploadArchive,
): Promise<string> {
  const { workspaceId, keyId, requestId } = uploader;
  const id = newTimeId("job", deps.now());
  const override = secretOverride(uploader, upload.allowSecrets, "archive", deps.now());
  const spool = `ws/${workspaceId}/spool/${base32(randomBytes(20))}`;
  await insertGarbage(deps.db, workspaceId, [spool], deps.now());
  await spoolBody(deps.blobs, spool, upload);
  const [, inserted] = await deps.db.batch([
    takeGeneration(deps.db, workspaceId),
    insertJobIfRoom(deps.db, {
      id,
      workspaceId,
      keyId,
      requestId,
      kind: "archive",
      spec: {
        spool,
        archive: "tar.gz",
        ...(upload.folder === null ? {} : { path: upload.folder }),
        ...(upload.allowSecrets ? { allowSecrets: true } : {}),
        ...(upload.useDefaultIgnores ? {} : { useDefaultIgnores: false }),
      },
      now: deps.now(),
      maxOpen: LIMITS.workspaceRunningJobs,
    }),
    ...(override === null ? [] : [insertSecurityEventIf(deps.db, override, jobExists(id))]),
  ]);
  if (inserted.length === 0) {
    deps.background(deleteBlobs(deps, [spool]));
    throw new DevFlowError(
      "quota_exceeded",
      `The workspace may have ${LIMITS.workspaceRunningJobs} jobs running; wait for one to end.`,
      { members: { quota: "running_jobs", max: LIMITS.workspaceRunningJobs } },
    );
  }
  if (override !== null) deps.events.stored(override);
  await deleteGarbage(deps.db, [spool]);
  const message = { kind: "archive", workspaceId, jobId: id } as const;
  await deps.queue.send([upload.bytes > SMALL_ARCHIVE_BYTES ? inBulk(message) : message]);
  return id;
}

async function spoolBody(blobs: R2Bucket, key: string, { body, bytes }: UploadArchive): Promise<void> {
  const { readable, writable } = new FixedLengthStream(bytes);
  const piped = body.pipeTo(writable).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const stored = blobs.put(key, readable).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const [broken, failed] = await Promise.all([piped, stored]);
  if (broken !== null) {
    throw new DevFlowError("invalid_request", "The body is not as long as Content-Length says.", {
      cause: broken.error,
    });
  }
  if (failed !== null) throw failed.error;
}

/**
 * Unpacks the spooled archive of a job, accepts its files in groups and queues them as it goes. Delivered again, it
 * begins anew and finds what was accepted already. A broken archive fails the job; what was accepted stays.
 */
export async function unpackArchive(
  deps: AcceptDeps,
  message: { workspaceId: string; jobId: string; bulk?: true | undefined },
): Promise<void> {
  const { workspaceId, jobId } = message;
  const [job] = await selectJob(deps.db, workspaceId, jobId);
  const spool = job?.spec.spool;
  if (job === undefined || spool === undefined) return;
  if (job.finishedAt !== null || job.expanded) return removeSpool(deps, workspaceId, spool);
  const object = await deps.blobs.get(spool);
  if (object === null) {
    await failJob(deps.db, jobId, "The uploaded archive is no longer stored; upload it again.", deps.now());
    return;
  }
  const target = { workspaceId, jobId, generation: job.spec.generation ?? null, bulk: message.bulk === true };
  const group = new UploadGroup(
    deps,
    { workspaceId, keyId: job.keyId, requestId: job.requestId, ip: null, route: null },
    {
      folder: job.spec.path ?? null,
      allowSecrets: job.spec.allowSecrets === true,
      useDefaultIgnores: job.spec.useDefaultIgnores !== false,
    },
  );
  try {
    for await (const entry of readTarGz(object.body)) {
      await addEntry(group, entry);
      if (group.gathered >= GROUP_ENTRIES && !(await acceptGroup(deps, target, group))) {
        return removeSpool(deps, workspaceId, spool);
      }
    }
    await group.flush();
    await acceptGroup(deps, target, group);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === null) throw error;
    deps.log.info("an archive was refused", { job_id: jobId, reason });
    if (error instanceof ArchiveError) await acceptRest(deps, target, group);
    await failJob(deps.db, jobId, reason, deps.now());
    return removeSpool(deps, workspaceId, spool);
  }
  await deps.db.batch([markExpanded(deps.db, jobId, deps.now()), finishJob(deps.db, jobId, deps.now())]);
  await removeSpool(deps, workspaceId, spool);
}

async function addEntry(group: UploadGroup, entry: ArchiveEntry): Promise<void> {
  if (entry.kind === "special") return group.refuse(entry.name, "ignored", entry.message);
  const path = group.claim(entry.name);
  if (path === null) return;
  if (entry.kind === "file") return await group.add(path, entry.bytes);
  const { size, sha256 } = entry;
  const skip = tooLargeToIndex(size);
  await group.addSkipped(path, { size, sha256, skip, secretScan: null, findings: [] });
}

/** @returns false where the job is over meanwhile, cancelled for one. */
async function acceptGroup(
  deps: AcceptDeps,
  target: { workspaceId: string; jobId: string; generation: number | null; bulk: boolean },
  group: UploadGroup,
): Promise<boolean> {
  const { workspaceId, jobId, generation, bulk } = target;
  const [, [job]] = await deps.db.batch([
    touchJob(deps.db, jobId, deps.now()),
    selectJob(deps.db, workspaceId, jobId),
  ]);
  if (job === undefined || job.finishedAt !== null) return false;
  const gathered = group.take();
  if (gathered.candidates.length + gathered.outcomes.length === 0) return true;
  await accept(deps, {
    workspaceId,
    generation,
    ...gathered,
    job: { id: jobId },
    precondition: null,
    event: null,
    bulk,
  });
  return true;
}

/** What was read before the archive broke off stays, as far as the workspace has room for it. */
async function acceptRest(
  deps: AcceptDeps,
  target: Parameters<typeof acceptGroup>[1],
  group: UploadGroup,
): Promise<void> {
  await group.flush();
  try {
    await acceptGroup(deps, target, group);
  } catch (error) {
    if (!isQuota(error)) throw error;
  }
}

/** What a client is told of a failure that another delivery would meet again; null for all others. */
function reasonOf(error: unknown): string | null {
  if (error instanceof ArchiveError) return error.message;
  return isQuota(error) ? (error as DevFlowError).message : null;
}

function isQuota(error: unknown): boolean {
  return error instanceof DevFlowError && error.code === "quota_exceeded";
}

async function removeSpool(deps: AcceptDeps, workspaceId: string, spool: string): Promise<void> {
  await insertGarbage(deps.db, workspaceId, [spool], deps.now());
  await deleteBlobs(deps, [spool]);
}
