import { DevFlowError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { newId, newTimeId } from "../core/ids.ts";
import type { IndexingMessage, MessageQueue } from "../core/ports.ts";
import { newSecurityEvent, type SecurityEvents } from "../core/security-event.ts";
import {
  type ArchivedFile,
  advanceBackup,
  type BackupPartRow,
  type BackupRow,
  DEPLOYMENT,
  endDeploymentJob,
  failBackupRow,
  finishBackup,
  insertBackupIfNone,
  insertDeploymentJob,
  insertPart,
  markArchived,
  selectBackupOfJob,
  selectGoodBackups,
  selectParts,
  writeJobReceipt,
} from "../db/backups.ts";
import { touchJob } from "../db/jobs.ts";
import type { BackupCursor } from "../db/schema.ts";
import { insertSecurityEvent } from "../db/security-events.ts";
import { VERSION } from "../version.ts";
import {
  addCounts,
  type Counts,
  emptyCounts,
  FORMAT,
  FORMAT_VERSION,
  layout,
  type Manifest,
  manifestBytes,
  sizeOf,
  WHOLE_VERSION,
} from "./archive-format.ts";
import { type Base, type Entry, FIRST_PAGE, lines, type ReadDeps, readPage } from "./part-entries.ts";
import { archivedIn, nextBase } from "./references.ts";
import { storePart } from "./store-part.ts";

export interface BackupDeps extends ReadDeps {
  queue: MessageQueue;
  events: SecurityEvents;
  /** age public keys. */
  backupRecipients: readonly string[];
  /** Bytes of content after which a part ends. */
  backupPartBytes: number;
  /** Of so many backups one is whole. */
  backupWholeEvery: number;
  backupRetention: { days: number; count: number };
  /** Every setting but secrets, as it is put into a backup. */
  openSettings: Record<string, unknown>;
  now(): number;
}

type BackupMessage = Extract<IndexingMessage, { kind: "backup" | "restore" }>;

/** A part ends with the page that brings it past these, or `backupPartBytes`; the largest blob, 8 MiB, may come on top. */
const PART_ENTRIES = 2_000;

/** R2 key of all that belongs to a backup. */
export function backupPrefix(id: string): string {
  return `backups/${id}/`;
}

export type StartBackupDeps = Pick<
  BackupDeps,
  "db" | "queue" | "backupRecipients" | "backupWholeEvery" | "backupRetention" | "now"
>;

/** More backups are never referred to: the greatest `BACKUP_WHOLE_EVERY`. */
const CHAIN = 100;

/**
 * Begins a backup; the queue carries it out. It is whole where that is asked for, or due.
 * Errors: `misconfigured` without recipients, `conflict` while another runs.
 */
export async function startBackup(
  deps: StartBackupDeps,
  asked: { whole: boolean; requestId: string | null },
): Promise<{ id: string; jobId: string }> {
  if (deps.backupRecipients.length === 0) {
    throw new DevFlowError(
      "misconfigured",
      "BACKUP_RECIPIENTS is not set: make a key pair with `devflow backup keygen`, and set its public key.",
    );
  }
  const now = deps.now();
  const base = asked.whole
    ? null
    : nextBase(await selectGoodBackups(deps.db, { newest: CHAIN }), {
        wholeEvery: deps.backupWholeEvery,
        retentionDays: deps.backupRetention.days,
        recipients: deps.backupRecipients,
        now,
      });
  const ids = { id: newTimeId("bak", now), jobId: newTimeId("job", now) };
  const row = { ...ids, recipients: deps.backupRecipients, base, cursor: FIRST_PAGE, now };
  const made = await insertBackupIfNone(deps.db, row);
  if (made.length === 0) throw new DevFlowError("conflict", "A backup is being made already.");
  await insertDeploymentJob(deps.db, { id: ids.jobId, kind: "backup", requestId: asked.requestId, now });
  await deps.queue.send([{ kind: "backup", workspaceId: DEPLOYMENT, jobId: ids.jobId, bulk: true, part: 1 }]);
  return ids;
}

/**
 * Writes the next part of a backup and asks for the one after it, or completes it. Delivered twice, the part is
 * written to two objects, of which one is taken.
 */
export async function continueBackup(deps: BackupDeps, message: BackupMessage): Promise<void> {
  const [backup] = await selectBackupOfJob(deps.db, message.jobId);
  if (backup === undefined || backup.status !== "running") return;
  await touchJob(deps.db, backup.jobId, deps.now());
  if (backup.cursor === null) return completeBackup(deps, backup);
  const part = backup.parts + 1;
  // Of a part that is written, by a message that is under way or was lost with its consumer.
  if (message.part !== undefined && message.part < part - 1) return;

  const key = `${backupPrefix(backup.id)}part-${String(part).padStart(5, "0")}-${newId("req").slice(4)}`;
  const progress: Progress = { cursor: backup.cursor, counts: emptyCounts(), archived: [] };
  const entries = partEntries(deps, backup, part, progress);
  const mtimeSeconds = Math.floor(backup.createdAt / 1000);
  const stored = await storePart(deps.blobs, key, backup.recipients, entries, mtimeSeconds);
  const [, taken] = await deps.db.batch([
    insertPart(deps.db, { backupId: backup.id, part, key, ...stored, counts: progress.counts }),
    advanceBackup(deps.db, backup.id, part, progress.cursor),
  ]);
  if (taken.length === 0) {
    await deps.blobs.delete(key);
    return;
  }
  // Only now: of two deliveries that read otherwise, one wrote the part. Where this is lost, they are copied again.
  await markArchived(deps.db, progress.archived);
  await writeJobReceipt(deps.db, backup.jobId, { backup: backup.id, parts: part });
  await deps.queue.send([{ ...message, part: part + 1 }]);
}

interface Progress {
  cursor: BackupCursor | null;
  counts: Counts;
  /** Files whose bytes the part holds. */
  archived: ArchivedFile[];
}

async function* partEntries(
  deps: BackupDeps,
  backup: BackupRow,
  part: number,
  progress: Progress,
): AsyncGenerator<Entry> {
  const base: Base = new Set((await goodOf(deps, backup.base ?? [])).map(({ id }) => id));
  if (part === 1) yield lines("settings.json", [deps.openSettings], {});
  let bytes = 0;
  let entries = 0;
  for (let page = 1; progress.cursor !== null; page++) {
    const { entries: found, next } = await readPage(
      deps,
      progress.cursor,
      { startedAt: backup.createdAt, base },
      page,
    );
    for (const entry of found) {
      yield entry;
      // With what it refers to: a restore has the part in one piece.
      bytes += entry.bytes.length + (entry.stands?.bytes ?? 0);
      entries += 1 + (entry.stands?.blobs ?? 0);
      if (entry.file !== undefined) {
        progress.archived.push({ ...entry.file, archivedIn: archivedIn(backup.id, part, entry.file.blob) });
      }
      progress.counts = addCounts(progress.counts, { ...emptyCounts(), ...entry.adds });
    }
    progress.cursor = next;
    if (bytes > deps.backupPartBytes || entries > PART_ENTRIES) return;
  }
}

/** The manifest of what was written. Errors: where a backup that it refers to is gone. */
export async function manifestOf(
  deps: Pick<BackupDeps, "db">,
  backup: BackupRow,
  parts: readonly BackupPartRow[],
): Promise<Manifest> {
  const counts = parts.reduce((sum, one) => addCounts(sum, one.counts), emptyCounts());
  const referred = Object.keys(counts.referred ?? {}).sort();
  const found = await goodOf(deps, referred);
  const refersTo = referred.map((id) => {
    const digest = found.find((one) => one.id === id)?.manifestSha256;
    if (typeof digest !== "string") throw new Error(`a backup that this one refers to is gone: ${id}`);
    return { id, manifest_sha256: digest };
  });
  return {
    header: {
      format: FORMAT,
      version: refersTo.length > 0 ? FORMAT_VERSION : WHOLE_VERSION,
      id: backup.id,
      created_at: new Date(backup.createdAt).toISOString(),
      devflow: VERSION,
      recipients: backup.recipients,
    },
    ...(refersTo.length > 0 ? { refers_to: refersTo } : {}),
    parts: parts.map((one) => ({
      part: one.part,
      bytes: one.bytes,
      sha256: one.sha256,
      plain_bytes: one.plainBytes,
      plain_sha256: one.plainSha256,
      counts: one.counts,
    })),
    counts,
  };
}

async function goodOf({ db }: Pick<BackupDeps, "db">, ids: readonly string[]): Promise<BackupRow[]> {
  return ids.length === 0 ? [] : selectGoodBackups(db, { ids });
}

async function completeBackup(deps: BackupDeps, backup: BackupRow): Promise<void> {
  const manifest = await manifestOf(deps, backup, await selectParts(deps.db, backup.id));
  const written = manifestBytes(manifest);
  await deps.blobs.put(`${backupPrefix(backup.id)}manifest.json`, written);
  const bytes = (await layout(manifest, sha256Hex)).reduce((sum, segment) => sum + sizeOf(segment), 0);
  const now = deps.now();
  const { counts } = manifest;
  const detail = { backup: backup.id, bytes, parts: backup.parts };
  const event = newSecurityEvent({ type: "backup_created", detail }, now);
  const receipt = {
    ...detail,
    files: counts.rows["files"] ?? 0,
    blobs: counts.blobs,
    referred: Object.values(counts.referred ?? {}).reduce((sum, n) => sum + n, 0),
    vectors: counts.vectors,
  };
  await deps.db.batch([
    finishBackup(deps.db, backup.id, { bytes, counts, manifestSha256: await sha256Hex(written), now }),
    endDeploymentJob(deps.db, backup.jobId, { error: null, receipt, now }),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
}

/** Ends a backup that cannot be completed; an alert tells of it. Nothing where it is over. */
export async function failBackup(
  deps: Pick<BackupDeps, "db" | "events" | "now">,
  jobId: string,
  error: string,
): Promise<void> {
  const [backup] = await selectBackupOfJob(deps.db, jobId);
  if (backup === undefined) return;
  const now = deps.now();
  const failed = await failBackupRow(deps.db, backup.id, error, now);
  if (failed.length === 0) return;
  const event = newSecurityEvent({ type: "backup_failed", detail: { backup: backup.id, error } }, now);
  const receipt = { backup: backup.id, parts: backup.parts };
  await deps.db.batch([
    endDeploymentJob(deps.db, jobId, { error, receipt, now }),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
}
