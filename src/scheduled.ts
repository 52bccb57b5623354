import { pruneEvents } from "./audit/prune.ts";
import { pruneUsage } from "./audit/usage-report.ts";
import { noteDeletions } from "./backup/deletions.ts";
import { forgetRestores } from "./backup/restore.ts";
import { nightlyBackup, retireBackups } from "./backup/schedule.ts";
import { finishDeletions } from "./files/finish-deletions.ts";
import { forgetSyncs } from "./files/forget-syncs.ts";
import { moveModels } from "./indexing/move-models.ts";
import { resumePausedJobs } from "./indexing/pause.ts";
import { resumeStalledJobs, settleVectors } from "./indexing/repair.ts";
import type { Services } from "./services.ts";

/** The local stack's first run: its queues live in memory, so what waited there when it ended is gone. */
const START_CRON = "@start";

/** What each cron run does, in order. Repair compares what was accepted with what is derived, and mends the latter. */
const TASKS: readonly { name: string; run(services: Services, cron: string): Promise<unknown> }[] = [
  {
    name: "resume stalled jobs",
    run: (services, cron) => resumeStalledJobs(services, cron === START_CRON ? 0 : undefined),
  },
  { name: "resume paused jobs", run: resumePausedJobs },
  { name: "finish deletions", run: finishDeletions },
  { name: "forget syncs", run: forgetSyncs },
  { name: "settle vectors", run: settleVectors },
  { name: "move to another embedding model", run: moveModels },
  { name: "note deletions", run: noteDeletions },
  { name: "nightly backup", run: nightlyBackup },
  { name: "retire backups", run: retireBackups },
  { name: "forget restores", run: forgetRestores },
  { name: "prune events", run: pruneEvents },
  { name: "prune usage", run: pruneUsage },
];

/** A task that fails does not keep the others from running. */
export async function runScheduled(services: Services, cron: string): Promise<void> {
  for (const { name, run } of TASKS) {
    try {
      const result = await run(services, cron);
      services.log.info("scheduled task", { task: name, result: JSON.stringify(result ?? null) });
    } catch (error) {
      services.log.error("a scheduled task failed", error, { task: name });
    }
  }
}
