import { and, asc, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { type BackupCounts, type BackupCursor, backupParts, backups, type JobKind, jobs } from "./schema.ts";

export type BackupRow = typeof backups.$inferSelect;
export type BackupPartRow = typeof backupParts.$inferSelect;

/** Stands for the workspace in jobs of the whole deployment. */
export const DEPLOYMENT = "deployment";

/** A job of the whole deployment: only the root key sees it. */
export function insertDeploymentJob(
  db: Database,
  job: { id: string; kind: JobKind; requestId: string | null; now: number },
) {
  const { id, kind, requestId, now } = job;
  return db.insert(jobs).values({
    id,
    workspaceId: DEPLOYMENT,
    requestId,
    kind,
    status: "queued",
    spec: {},
    expanded: true,
    createdAt: now,
    updatedAt: now,
  });
}

/** Ends it, with its receipt, where it is not over. */
export function endDeploymentJob(
  db: Database,
  id: string,
  end: { error: string | null; receipt: Record<string, number | string>; now: number },
) {
  return db
    .update(jobs)
    .set({
      status: end.error === null ? "succeeded" : "failed",
      error: end.error,
      counts: [],
      receipt: end.receipt,
      startedAt: sql`coalesce(${jobs.startedAt}, ${end.now})`,
      updatedAt: end.now,
      finishedAt: end.now,
    })
    .where(and(eq(jobs.id, id), sql`${jobs.finishedAt} IS NULL`));
}

/** How far it is, while it runs. */
export function writeJobReceipt(db: Database, id: string, receipt: Record<string, number | string>) {
  return db.update(jobs).set({ receipt }).where(eq(jobs.id, id));
}

/** The row, unless another backup is running. */
export function insertBackupIfNone(
  db: Database,
  row: {
    id: string;
    jobId: string;
    recipients: readonly string[];
    base: readonly string[] | null;
    cursor: BackupCursor;
    now: number;
  },
) {
  return db.all<{ id: string }>(sql`
    INSERT INTO backups (id, job_id, status, recipients, base, cursor, created_at)
    SELECT ${row.id}, ${row.jobId}, 'running', ${JSON.stringify(row.recipients)},
      ${row.base === null ? null : JSON.stringify(row.base)}, ${JSON.stringify(row.cursor)}, ${row.now}
    WHERE NOT EXISTS (SELECT 1 FROM backups WHERE status = 'running') RETURNING id`);
}

export function selectBackup(db: Database, id: string) {
  return db.select().from(backups).where(eq(backups.id, id)).limit(1);
}

export function selectBackupOfJob(db: Database, jobId: string) {
  return db.select().from(backups).where(eq(backups.jobId, jobId)).limit(1);
}

/** Newest first. */
export function listBackups(db: Database, beforeId: string | null, limit: number) {
  return db
    .select()
    .from(backups)
    .where(beforeId === null ? undefined : lt(backups.id, beforeId))
    .orderBy(desc(backups.id))
    .limit(limit);
}

/** Completed ones: those of the ids, or the newest. Newest first. */
export function selectGoodBackups(db: Database, which: { ids: readonly string[] } | { newest: number }) {
  const ids = "ids" in which ? which.ids : null;
  return db
    .select()
    .from(backups)
    .where(
      and(
        eq(backups.status, "succeeded"),
        ids === null
          ? undefined
          : inArray(backups.id, sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`),
      ),
    )
    .orderBy(desc(backups.id))
    .limit("newest" in which ? which.newest : which.ids.length);
}

export interface ArchivedFile {
  workspaceId: string;
  path: string;
  blob: string;
  archivedIn: string;
}

/** Of one statement: with the longest paths, half a megabyte. */
const MARKED = 500;

/** Notes where the files' blobs are archived; a file whose blob is another by now is left. */
export async function markArchived(db: Database, archived: readonly ArchivedFile[]): Promise<void> {
  for (let start = 0; start < archived.length; start += MARKED) {
    const some = JSON.stringify(archived.slice(start, start + MARKED));
    await db.run(sql`
      UPDATE files SET archived_in = one.value ->> '$.archivedIn' FROM json_each(${some}) AS one
      WHERE files.workspace_id = one.value ->> '$.workspaceId' AND files.path = one.value ->> '$.path'
        AND files.blob = one.value ->> '$.blob'`);
  }
}

export function selectNewestGoodBackup(db: Database) {
  return db
    .select({ at: backups.finishedAt })
    .from(backups)
    .where(eq(backups.status, "succeeded"))
    .orderBy(desc(backups.id))
    .limit(1);
}

/** By number. */
export function selectParts(db: Database, backupId: string) {
  return db
    .select()
    .from(backupParts)
    .where(eq(backupParts.backupId, backupId))
    .orderBy(asc(backupParts.part));
}

/** The part, if it is the next one: of two deliveries of a message, one writes it. Comes before `advanceBackup`. */
export function insertPart(db: Database, row: BackupPartRow) {
  return db.run(sql`
    INSERT INTO backup_parts (backup_id, part, key, bytes, sha256, plain_bytes, plain_sha256, counts)
    SELECT ${row.backupId}, ${row.part}, ${row.key}, ${row.bytes}, ${row.sha256}, ${row.plainBytes},
      ${row.plainSha256}, ${JSON.stringify(row.counts)}
    FROM backups WHERE id = ${row.backupId} AND status = 'running' AND parts = ${row.part - 1}`);
}

/** No row comes back where the part was not the next one. */
export function advanceBackup(db: Database, id: string, part: number, cursor: BackupCursor | null) {
  return db
    .update(backups)
    .set({ parts: part, cursor })
    .where(and(eq(backups.id, id), eq(backups.status, "running"), eq(backups.parts, part - 1)))
    .returning({ id: backups.id });
}

export function finishBackup(
  db: Database,
  id: string,
  end: { bytes: number; counts: BackupCounts; manifestSha256: string; now: number },
) {
  const { now, ...set } = end;
  return db
    .update(backups)
    .set({ ...set, status: "succeeded", finishedAt: now })
    .where(and(eq(backups.id, id), eq(backups.status, "running")));
}

export function failBackupRow(db: Database, id: string, error: string, now: number) {
  return db
    .update(backups)
    .set({ status: "failed", error, finishedAt: now })
    .where(and(eq(backups.id, id), eq(backups.status, "running")))
    .returning({ id: backups.id });
}

export function deleteBackupRows(db: Database, id: string) {
  return [
    db.delete(backupParts).where(eq(backupParts.backupId, id)),
    db.delete(backups).where(eq(backups.id, id)),
  ] as const;
}
