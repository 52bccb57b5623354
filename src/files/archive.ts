import { DevFlowError } from "../core/errors.ts";
import { base32, newTimeId, randomBytes } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { inBulk } from "../core/messages.ts";
import { deleteGarbage, insertGarbage } from "../db/blob-garbage.ts";
import { takeGeneration } from "../db/collections.ts";
import { insertJobIfRoom, jobExists } from "../db/jobs.ts";
import { insertSecurityEventIf } from "../db/security-events.ts";
import { type AcceptDeps, deleteBlobs } from "./accept.ts";
import { secretOverride } from "./secrets.ts";
import type { Uploader } from "./uploader.ts";

/** Media types of archives, and what they are. */
export const ARCHIVE_TYPES = { "application/gzip": "tar.gz", "application/zip": "zip" } as const;
export type ArchiveForm = (typeof ARCHIVE_TYPES)[keyof typeof ARCHIVE_TYPES];

export interface UploadArchive {
  form: ArchiveForm;
  /** Folder that the entries' names are relative to; null is the workspace. */
  folder: string | null;
  body: ReadableStream<Uint8Array>;
  /** As the client declared them; the body is held to it. */
  bytes: number;
  /** An admin said that secrets in the files are no matter. */
  allowSecrets: boolean;
  /** Leave out what `default-ignores.ts` lists. */
  useDefaultIgnores: boolean;
}

/** A larger archive is a large job: it takes minutes to unpack, and small jobs do not wait for that. */
const SMALL_ARCHIVE_BYTES = 1024 * 1024;

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
        archive: upload.form,
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
