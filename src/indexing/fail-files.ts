import type { IndexingMessage } from "../core/ports.ts";
import { insertGarbage } from "../db/blob-garbage.ts";
import type { Database } from "../db/database.ts";
import { writeIndexStates } from "../db/file-index-state.ts";
import { selectFiles } from "../db/files.ts";
import { finishJobFiles } from "../db/job-files.ts";
import { failJob, finishJob, selectJob } from "../db/jobs.ts";
import type { IndexingDeps } from "./deps.ts";

/**
 * Gives up on a message: its files are marked failed, with the reason, so that none is lost silently. What cannot be
 * told by file (a selection that was never found, an archive) fails as a job.
 * @param reason code of the failure. @param detail for clients: no secret, no upstream's words.
 */
export async function failMessage(
  deps: Pick<IndexingDeps, "db" | "now">,
  message: IndexingMessage,
  reason: string,
  detail: string,
): Promise<void> {
  const { db } = deps;
  const now = deps.now();
  if (message.kind !== "index") {
    await failJob(db, message.jobId, detail, now);
    await forgetSpool(db, message, now);
    return;
  }
  const { workspaceId, jobId, files } = message;
  // Its files wait: they are sent again when the job goes on.
  const [job] = await selectJob(db, workspaceId, jobId);
  if (job?.status === "paused" || job?.status === "cancelled") return;
  const rows = await selectFiles(
    db,
    workspaceId,
    files.map(({ path }) => path),
  );
  // A file that another message has indexed meanwhile is not touched.
  const pending = rows.filter(({ status }) => status === "pending");
  const outcome = { chunks: 0, embedded: 0, reused: 0, tokens: 0 };
  await db.batch([
    writeIndexStates(
      db,
      workspaceId,
      files
        .filter((file) => pending.some((row) => row.path === file.path && row.generation === file.generation))
        .map((file) => ({
          ...file,
          status: "failed",
          skipReason: null,
          error: detail,
          chunks: 0,
          chunkedBy: null,
        })),
      now,
    ),
    finishJobFiles(
      db,
      jobId,
      files.map((file) => ({ ...file, ...outcome, status: "failed", reason, message: detail })),
    ),
    finishJob(db, jobId, now),
  ]);
}

/** The archive of a job that failed is kept for some hours, in which a retry takes it back. */
async function forgetSpool(
  db: Database,
  { workspaceId, jobId }: IndexingMessage,
  now: number,
): Promise<void> {
  const [job] = await selectJob(db, workspaceId, jobId);
  if (job?.spec.spool !== undefined) await insertGarbage(db, workspaceId, [job.spec.spool], now);
}
