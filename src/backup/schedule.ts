import { deleteBackupRows, listBackups } from "../db/backups.ts";
import { type BackupDeps, backupPrefix, startBackup } from "./create.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of the day, UTC: when most teams sleep, or at least write less. */
const NIGHTLY_HOUR = 2;
/** After one that failed. */
const AGAIN_MS = HOUR_MS;
/** Looked at in one run. */
const ROWS = 2_000;
const OBJECTS = 1_000;

export interface ScheduleDeps
  extends Pick<BackupDeps, "db" | "blobs" | "queue" | "backupRecipients" | "log" | "now"> {
  backupRetention: { days: number; count: number };
}

/** Begins the night's backup where there is none yet. @returns its id, or null. */
export async function nightlyBackup(deps: ScheduleDeps): Promise<string | null> {
  if (deps.backupRecipients.length === 0) return null;
  const now = deps.now();
  const [newest] = await listBackups(deps.db, null, 1);
  if (newest !== undefined && !isDue(newest, now)) return null;
  return (await startBackup(deps, null)).id;
}

/** Whether another backup is to be made after this one, the newest. */
export function isDue(newest: { status: string; createdAt: number }, now: number): boolean {
  if (newest.status === "running") return false;
  if (newest.status === "failed") return now - newest.createdAt >= AGAIN_MS;
  const night = Math.floor((now - NIGHTLY_HOUR * HOUR_MS) / DAY_MS) * DAY_MS + NIGHTLY_HOUR * HOUR_MS;
  return newest.createdAt < night;
}

/** Deletes backups by age and number, and what failed ones left after a day. @returns how many. */
export async function retireBackups(deps: ScheduleDeps): Promise<number> {
  const rows = await listBackups(deps.db, null, ROWS);
  const retired = toRetire(rows, deps.backupRetention, deps.now());
  for (const id of retired) {
    // Objects first: a row without them can be deleted again, objects without a row would never be.
    for (;;) {
      const { objects } = await deps.blobs.list({ prefix: backupPrefix(id), limit: OBJECTS });
      if (objects.length === 0) break;
      await deps.blobs.delete(objects.map(({ key }) => key));
    }
    await deps.db.batch([...deleteBackupRows(deps.db, id)]);
  }
  return retired.length;
}

/** @param rows newest first. */
export function toRetire(
  rows: readonly { id: string; status: string; createdAt: number }[],
  { days, count }: { days: number; count: number },
  now: number,
): string[] {
  const good = rows.filter(({ status }) => status === "succeeded");
  const kept = new Set(
    good
      .slice(0, count)
      .filter(({ createdAt }) => now - createdAt <= days * DAY_MS)
      .map(({ id }) => id),
  );
  return rows
    .filter(({ id, status, createdAt }) => {
      if (status === "succeeded") return !kept.has(id);
      return status === "failed" && now - createdAt > DAY_MS;
    })
    .map(({ id }) => id);
}
