import { DevFlowError } from "../core/errors.ts";
import { newTimeId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { MessageQueue } from "../core/ports.ts";
import { newSecurityEvent, type SecurityEvents } from "../core/security-event.ts";
import type { Database } from "../db/database.ts";
import { insertJobIfRoom, type JobRow, jobExists, selectJob } from "../db/jobs.ts";
import { insertSecurityEventIf } from "../db/security-events.ts";
import type { Uploader } from "./uploader.ts";

/** An export is there this long after it was made; the cron deletes it within the hour after. */
export const EXPORT_KEPT_MS = 24 * 3_600_000;

export interface ExportDeps {
  db: Database;
  blobs: R2Bucket;
  queue: MessageQueue;
  events: SecurityEvents;
  now(): number;
}

/**
 * Begins the export of the workspace's files and metadata; a job writes it.
 * Errors: `quota_exceeded` for running jobs.
 * @returns the job.
 */
export async function startExport(deps: ExportDeps, asker: Uploader): Promise<JobRow> {
  const { workspaceId, keyId, requestId } = asker;
  const now = deps.now();
  const id = newTimeId("job", now);
  const event = newSecurityEvent({ ...asker, type: "export", detail: { job_id: id } }, now);
  const job = { id, workspaceId, keyId, requestId, kind: "export", spec: {}, now } as const;
  const [made] = await deps.db.batch([
    insertJobIfRoom(deps.db, { ...job, maxOpen: LIMITS.workspaceRunningJobs }),
    insertSecurityEventIf(deps.db, event, jobExists(id)),
  ]);
  if (made.length === 0) {
    throw new DevFlowError(
      "quota_exceeded",
      `The workspace has ${LIMITS.workspaceRunningJobs} jobs under way; wait for one to end.`,
      { members: { quota: "running_jobs", max: LIMITS.workspaceRunningJobs } },
    );
  }
  deps.events.stored(event);
  await deps.queue.send([{ kind: "export", workspaceId, jobId: id, bulk: true }]);
  const [row] = await selectJob(deps.db, workspaceId, id);
  if (row === undefined) throw new Error("an export's job is gone");
  return row;
}

/**
 * The finished archive: gzip members that follow one another, which are one gzip file (RFC 1952, 2.2).
 * Errors: `not_found` for another job, or where it was deleted after its day; `conflict` while it is not finished.
 */
export async function exportContent(
  deps: Pick<ExportDeps, "db" | "blobs" | "now">,
  workspaceId: string,
  id: string,
): Promise<{ bytes: number; body: ReadableStream<Uint8Array> }> {
  const [job] = await selectJob(deps.db, workspaceId, id);
  if (job === undefined || job.kind !== "export") {
    throw new DevFlowError("not_found", "There is no such export in this workspace.");
  }
  if (job.status !== "succeeded") {
    const state = job.finishedAt === null ? "is under way" : `has ${job.status}`;
    throw new DevFlowError("conflict", `The export ${state}; GET /v1/jobs/${id} tells of it.`);
  }
  const parts = job.spec.exported?.parts ?? [];
  const gone = new DevFlowError("not_found", "The export was deleted, a day after it was made.");
  if (parts.length === 0 || deps.now() > (job.finishedAt ?? 0) + EXPORT_KEPT_MS) throw gone;
  const first = await deps.blobs.get(parts[0]?.key as string);
  if (first === null) throw gone;
  const bytes = parts.reduce((sum, { size }) => sum + size, 0);
  const { readable, writable } = new FixedLengthStream(bytes);
  void pour(deps.blobs, first, parts.slice(1), writable);
  return { bytes, body: readable };
}

/** One part after the other; a reader that leaves ends it. A part that is missing breaks the body off. */
async function pour(
  blobs: R2Bucket,
  first: R2ObjectBody,
  rest: readonly { key: string }[],
  to: WritableStream<Uint8Array>,
): Promise<void> {
  try {
    await first.body.pipeTo(to, { preventClose: true });
    for (const { key } of rest) {
      const part = await blobs.get(key);
      if (part === null) throw new Error("a part of an export is gone");
      await part.body.pipeTo(to, { preventClose: true });
    }
    await to.close();
  } catch (error) {
    // Already so where the reader left.
    await to.abort(error).catch(() => {});
  }
}
