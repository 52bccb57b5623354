import { deleteBackupRows, listBackups } from "../db/backups.ts";
import { type BackupDeps, backupPrefix, type StartBackupDeps, startBackup } from "./create.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of the day, UTC: when most teams sleep, or at least write less. */
const NIGHTLY_HOUR = 2;
/** After one that failed. */
const AGAIN_MS = HOUR_MS;
/** Looked at in one run. */
const ROWS = 2_000;
const OBJECTS = 1_000;

export type ScheduleDeps = StartBackupDeps & Pick<BackupDeps, "blobs" | "log">;

/** Begins the night's backup where there is none yet. @returns its id, or null. */
export async function nightlyBackup(deps: ScheduleDeps): Promise<string | null> {
  if (deps.backupRecipients.length === 0) return null;
  const now = deps.now();
  const [newest] = await listBackups(deps.db, null, 1);
  if (newest !== undefined && !isDue(newest, now)) return null;
  return (await startBackup(deps, { whole: false, requestId: null })).id;
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

/** Of a backup, what retention looks at. */
export interface RetiredRow {
  id: string;
  status: string;
  createdAt: number;
  base: string[] | null;
  counts: { referred?: Record<string, number> | undefined } | null;
}

/**
 * What is kept keeps what it refers to, beyond the number, but not beyond the days: a backup whose base is too old goes
 * with it. @param rows newest first.
 */
export function toRetire(
  rows: readonly RetiredRow[],
  { days, count }: { days: number; count: number },
  now: number,
): string[] {
  const good = rows.filter(
    ({ status, createdAt }) => status === "succeeded" && now - createdAt <= days * DAY_MS,
  );
  const young = new Set(good.map(({ id }) => id));
  const readable = good.filter((row) => referredBy(row).every((id) => young.has(id)));
  const kept = readable.slice(0, count);
  const running = rows.filter(({ status }) => status === "running");
  const needed = new Set([
    ...kept.flatMap((row) => [row.id, ...referredBy(row)]),
    ...running.flatMap(({ base }) => base ?? []),
  ]);
  return rows
    .filter(({ id, status, createdAt }) => {
      if (status === "succeeded") return !needed.has(id);
      return status === "failed" && now - createdAt > DAY_MS;
    })
    .map(({ id }) => id);
}

function referredBy({ counts }: RetiredRow): string[] {
  return Object.keys(counts?.referred ?? {});
}
