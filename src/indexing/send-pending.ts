import { indexMessages } from "../core/messages.ts";
import type { MessageQueue } from "../core/ports.ts";
import type { Database } from "../db/database.ts";
import { selectPendingFiles } from "../db/job-files.ts";
import { finishJob, type JobRow } from "../db/jobs.ts";

/** Files looked up at once. */
const PAGE = 1_000;

/** Sends the messages of the job's files that are still to be done; ends it where there are none. */
export async function sendPending(
  deps: { db: Database; queue: MessageQueue; now(): number },
  { id: jobId, workspaceId }: Pick<JobRow, "id" | "workspaceId">,
): Promise<void> {
  for (let after = ""; ; ) {
    const files = await selectPendingFiles(deps.db, workspaceId, jobId, after, PAGE);
    await deps.queue.send(indexMessages(workspaceId, jobId, files, { bulk: after !== "" }));
    const last = files.at(-1);
    if (last === undefined || files.length < PAGE) break;
    after = last.path;
  }
  await finishJob(deps.db, jobId, deps.now());
}
