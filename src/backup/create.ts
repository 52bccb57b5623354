import { DevFlowError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { newId, newTimeId } from "../core/ids.ts";
import type { IndexingMessage, MessageQueue } from "../core/ports.ts";
import { newSecurityEvent, type SecurityEvents } from "../core/security-event.ts";
import {
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
  selectBackupOfJob,
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
} from "./archive-format.ts";
import { type Entry, FIRST_PAGE, lines, type ReadDeps, readPage } from "./part-entries.ts";
import { storePart } from "./store-part.ts";

export interface BackupDeps extends ReadDeps {
  queue: MessageQueue;
  events: SecurityEvents;
  /** age public keys. */
  backupRecipients: readonly string[];
  /** Bytes of content after which a part ends. */
  backupPartBytes: number;
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

/**
 * Begins a backup; the queue carries it out. Errors: `misconfigured` without recipients, `conflict` while another runs.
 */
export async function startBackup(
  deps: Pick<BackupDeps, "db" | "queue" | "backupRecipients" | "now">,
  requestId: string | null,
): Promise<{ id: string; jobId: string }> {
  if (deps.backupRecipients.length === 0) {
    throw new DevFlowError(
      "misconfigured",
      "BACKUP_RECIPIENTS is not set: make a key pair with `devflow backup keygen`, and set its public key.",
    );
  }
  const now = deps.now();
  const ids = { id: newTimeId("bak", now), jobId: newTimeId("job", now) };
  const row = { ...ids, recipients: deps.backupRecipients, cursor: FIRST_PAGE, now };
  const made = await insertBackupIfNone(deps.db, row);
  if (made.length === 0) throw new DevFlowError("conflict", "A backup is being made already.");
  await insertDeploymentJob(deps.db, { id: ids.jobId, kind: "backup", requestId, now });
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
  const progress = { cursor: backup.cursor as BackupCursor | null, counts: emptyCounts() };
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
  await writeJobReceipt(deps.db, backup.jobId, { backup: backup.id, parts: part });
  await deps.queue.send([{ ...message, part: part + 1 }]);
}

async function* partEntries(
  deps: BackupDeps,
  backup: BackupRow,
  part: number,
  progress: { cursor: BackupCursor | null; counts: Counts },
): AsyncGenerator<Entry> {
  if (part === 1) yield lines("settings.json", [deps.openSettings], {});
  let bytes = 0;
  let entries = 0;
  for (let page = 1; progress.cursor !== null; page++) {
    const { entries: found, next } = await readPage(deps, progress.cursor, backup.createdAt, page);
    for (const entry of found) {
      yield entry;
      bytes += entry.bytes.length;
      entries++;
      progress.counts = addCounts(progress.counts, { ...emptyCounts(), ...entry.adds });
    }
    progress.cursor = next;
    if (bytes > deps.backupPartBytes || entries > PART_ENTRIES) return;
  }
}

/** The manifest of what was written. */
export function manifestOf(backup: BackupRow, parts: readonly BackupPartRow[]): Manifest {
  return {
    header: {
      format: FORMAT,
      version: FORMAT_VERSION,
      id: backup.id,
      created_at: new Date(backup.createdAt).toISOString(),
      devflow: VERSION,
      recipients: backup.recipients,
    },
    parts: parts.map((one) => ({
      part: one.part,
      bytes: one.bytes,
      sha256: one.sha256,
      plain_bytes: one.plainBytes,
      plain_sha256: one.plainSha256,
      counts: one.counts,
    })),
    counts: parts.reduce((sum, { counts }) => addCounts(sum, counts), emptyCounts()),
  };
}

async function completeBackup(deps: BackupDeps, backup: BackupRow): Promise<void> {
  const manifest = manifestOf(backup, await selectParts(deps.db, backup.id));
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
