import { DevFlowError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { newTimeId } from "../core/ids.ts";
import type { IndexingMessage, MessageQueue } from "../core/ports.ts";
import { newSecurityEvent, type SecurityEvents } from "../core/security-event.ts";
import { DEPLOYMENT, endDeploymentJob, insertDeploymentJob, writeJobReceipt } from "../db/backups.ts";
import { finishJob, type JobRow, markExpanded, selectJob, touchJob } from "../db/jobs.ts";
import {
  advanceRestore,
  beginRestore,
  countRestored,
  deleteReceivingRestore,
  enableRestoredKeys,
  endRestore,
  insertRestoreIfEmpty,
  type RestoreRow,
  selectIdleRestores,
  selectRestore,
  selectWorkspaceIds,
  settleWorkspaces,
} from "../db/restores.ts";
import { insertSecurityEvent } from "../db/security-events.ts";
import {
  addCounts,
  emptyCounts,
  equalCounts,
  FORMAT_VERSION,
  type Manifest,
  ManifestSchema,
  manifestBytes,
} from "./archive-format.ts";
import { indexJobOf, type RestorePartDeps, restorePart } from "./restore-part.ts";

export interface RestoreDeps extends RestorePartDeps {
  queue: MessageQueue;
  events: SecurityEvents;
  restoreEnabled: boolean;
  /** Sends what an index job still has to do. */
  resumeJob(job: JobRow): Promise<void>;
}

type RestoreMessage = Extract<IndexingMessage, { kind: "backup" | "restore" }>;

/** Body of one part: the platform takes 100 MB. */
export const PART_BODY_BYTES = 64 * 1024 * 1024;

export interface RestoreView {
  row: RestoreRow;
  /** Numbers of the parts that are there. */
  received: number[];
  total: number;
}

const prefix = (id: string) => `restores/${id}/`;
const partKey = (id: string, part: number) => `${prefix(id)}part-${String(part).padStart(5, "0")}`;

/**
 * Begins a restore, or takes up the one of the same archive. Nothing but the spool is written before all parts are there.
 * Errors: `forbidden` unless enabled, `invalid_request` for a manifest that contradicts itself or is of a newer version,
 * `conflict` where the deployment is not empty.
 */
export async function openRestore(
  deps: Pick<RestoreDeps, "db" | "blobs" | "restoreEnabled" | "now">,
  manifest: Manifest,
): Promise<RestoreView> {
  requireEnabled(deps);
  if (manifest.header.version > FORMAT_VERSION) {
    throw new DevFlowError("invalid_request", "The backup was made by a newer version of DevFlow.");
  }
  if (manifest.refers_to !== undefined || manifest.counts.referred !== undefined) {
    throw new DevFlowError(
      "invalid_request",
      "The backup refers to others: `devflow backup restore` completes it from their archives.",
    );
  }
  const sum = manifest.parts.reduce((total, { counts }) => addCounts(total, counts), emptyCounts());
  const ordered = manifest.parts.every(
    ({ part, plain_bytes }, i) => part === i + 1 && plain_bytes <= PART_BODY_BYTES,
  );
  if (!ordered || !equalCounts(sum, manifest.counts)) {
    throw new DevFlowError("invalid_request", "The manifest contradicts itself; the backup is damaged.");
  }
  const bytes = manifestBytes(manifest);
  const manifestSha256 = await sha256Hex(bytes);
  const now = deps.now();
  const id = newTimeId("rst", now);
  const [known] = await selectRestore(deps.db, { manifest: manifestSha256 });
  if (known === undefined) {
    await deps.blobs.put(`${prefix(id)}manifest.json`, bytes);
    const made = await insertRestoreIfEmpty(deps.db, { id, manifestSha256, counts: emptyCounts(), now });
    if (made.length === 0) {
      await deps.blobs.delete(`${prefix(id)}manifest.json`);
      throw notEmpty();
    }
  }
  return viewRestore(deps, known?.id ?? id);
}

/** Errors: `not_found`. */
export async function viewRestore(deps: Pick<RestoreDeps, "db" | "blobs">, id: string): Promise<RestoreView> {
  const [row] = await selectRestore(deps.db, { id });
  if (row === undefined) throw new DevFlowError("not_found", "There is no such restore.");
  const received: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await deps.blobs.list({ prefix: `${prefix(id)}part-`, ...(cursor ? { cursor } : {}) });
    received.push(...page.objects.map(({ key }) => Number(key.slice(-5))));
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  const total = row.status === "succeeded" ? row.parts : (await manifestOf(deps, id)).parts.length;
  return { row, received, total };
}

/**
 * Takes a part, decrypted. R2 compares its digest while it is written, so a part is whole or not there.
 * Errors: `invalid_request` where it is not what the manifest names, `conflict` once the restore began.
 */
export async function putPart(
  deps: Pick<RestoreDeps, "db" | "blobs" | "restoreEnabled">,
  id: string,
  part: number,
  given: { body: ReadableStream | null; length: number | null; sha256: string },
): Promise<void> {
  requireEnabled(deps);
  const [row] = await selectRestore(deps.db, { id });
  if (row === undefined) throw new DevFlowError("not_found", "There is no such restore.");
  if (row.status !== "receiving") throw new DevFlowError("conflict", `The restore is ${row.status}.`);
  const expected = (await manifestOf(deps, id)).parts[part - 1];
  if (expected === undefined) throw new DevFlowError("not_found", "The manifest names no such part.");
  if (given.length === null) throw new DevFlowError("length_required", "Send the part with Content-Length.");
  if (
    given.length !== expected.plain_bytes ||
    given.sha256 !== expected.plain_sha256 ||
    given.body === null
  ) {
    throw new DevFlowError("invalid_request", `Part ${part} is not the one that the manifest names.`);
  }
  try {
    await deps.blobs.put(partKey(id, part), given.body, { sha256: given.sha256 });
  } catch (cause) {
    throw new DevFlowError("invalid_request", `Part ${part} did not arrive as its Content-Digest says.`, {
      cause,
    });
  }
}

/** All parts are there: restores them. The job of a restore that began is given again. Errors: `conflict`. */
export async function completeRestore(
  deps: Pick<RestoreDeps, "db" | "blobs" | "queue" | "restoreEnabled" | "now">,
  id: string,
  requestId: string | null,
): Promise<string> {
  requireEnabled(deps);
  const { row, received, total } = await viewRestore(deps, id);
  if (row.jobId !== null) return row.jobId;
  if (received.length < total) {
    const there = new Set(received);
    const missing = Array.from({ length: total }, (_, i) => i + 1).filter((part) => !there.has(part));
    throw new DevFlowError("conflict", `${missing.length} of ${total} parts are missing.`, {
      members: { missing: missing.slice(0, 1000) },
    });
  }
  const now = deps.now();
  const jobId = newTimeId("job", now);
  const begun = await beginRestore(deps.db, id, jobId);
  if (begun.length === 0) throw notEmpty();
  await insertDeploymentJob(deps.db, { id: jobId, kind: "restore", requestId, now });
  await deps.queue.send([{ kind: "restore", workspaceId: DEPLOYMENT, jobId, bulk: true, part: 1 }]);
  return jobId;
}

/** Restores the next part and asks for the one after it, or ends the restore. Delivered twice, it changes nothing. */
export async function continueRestore(deps: RestoreDeps, message: RestoreMessage): Promise<void> {
  const [restore] = await selectRestore(deps.db, { jobId: message.jobId });
  if (restore === undefined || restore.status !== "running") return;
  await touchJob(deps.db, message.jobId, deps.now());
  const manifest = await manifestOf(deps, restore.id);
  const expected = manifest.parts[restore.parts];
  if (expected === undefined) return endRestored(deps, restore, manifest);
  const { part } = expected;
  if (message.part !== undefined && message.part < part - 1) return;

  const object = await deps.blobs.get(partKey(restore.id, part));
  if (object === null) throw new Error(`part ${part} of the restore is gone`);
  const counts = await restorePart(deps, restore.id, object.body);
  if (!equalCounts(counts, expected.counts)) {
    throw new DevFlowError("invalid_request", `Part ${part} does not hold what the manifest counts.`);
  }
  const taken = await advanceRestore(deps.db, restore.id, part, addCounts(restore.counts, counts));
  if (taken.length === 0) return;
  await writeJobReceipt(deps.db, message.jobId, {
    restore: restore.id,
    parts: part,
    of: manifest.parts.length,
  });
  await deps.queue.send([{ ...message, part: part + 1 }]);
}

async function endRestored(deps: RestoreDeps, restore: RestoreRow, manifest: Manifest): Promise<void> {
  const { counts } = manifest;
  await settleWorkspaces(deps.db);
  const [stored] = await countRestored(deps.db);
  for (const [table, rows] of Object.entries(stored ?? {})) {
    if (rows < (counts.rows[table] ?? 0)) {
      throw new DevFlowError("invalid_request", `${table} holds ${rows} rows of ${counts.rows[table]}.`);
    }
  }
  for (const { id } of await selectWorkspaceIds(deps.db)) await endIndexJob(deps, restore.id, id);
  const now = deps.now();
  const receipt = {
    restore: restore.id,
    backup: manifest.header.id,
    parts: manifest.parts.length,
    workspaces: counts.rows["workspaces"] ?? 0,
    files: counts.rows["files"] ?? 0,
    blobs: counts.blobs,
    vectors: counts.vectors,
  };
  const event = newSecurityEvent({ type: "restore", detail: receipt }, now);
  await deps.db.batch([
    endRestore(deps.db, restore.id, null, now),
    endDeploymentJob(deps.db, restore.jobId ?? "", { error: null, receipt, now }),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
  await forgetSpool(deps, restore.id);
}

/** What could not be indexed yet (a budget that is spent) is indexed as after any upload. */
async function endIndexJob(deps: RestoreDeps, restoreId: string, workspaceId: string): Promise<void> {
  const jobId = await indexJobOf(restoreId, workspaceId);
  const now = deps.now();
  await deps.db.batch([markExpanded(deps.db, jobId, now), finishJob(deps.db, jobId, now)]);
  const [job] = await selectJob(deps.db, workspaceId, jobId);
  if (job !== undefined && job.finishedAt === null) await deps.resumeJob(job);
}

/** Ends a restore that cannot go on. What was restored stays: a deployment that is to be empty again is made anew. */
export async function failRestore(
  deps: Pick<RestoreDeps, "db" | "events" | "now">,
  jobId: string,
  error: string,
): Promise<void> {
  const [restore] = await selectRestore(deps.db, { jobId });
  if (restore === undefined) return;
  const now = deps.now();
  const ended = await endRestore(deps.db, restore.id, error, now);
  if (ended.length === 0) return;
  const receipt = { restore: restore.id, parts: restore.parts };
  const event = newSecurityEvent({ type: "restore", detail: { ...receipt, error } }, now);
  await deps.db.batch([
    endDeploymentJob(deps.db, jobId, { error, receipt, now }),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
}

/** Lets restored keys in again. @returns how many. */
export async function enableKeys(
  deps: Pick<RestoreDeps, "db" | "events" | "now">,
  workspaceId: string | null,
  actor: { ip: string | null; requestId: string | null },
): Promise<number> {
  const enabled = await enableRestoredKeys(deps.db, workspaceId);
  const detail = { by: "root", enabled: enabled.length };
  deps.events.record({ type: "key_updated", workspaceId, ...actor, detail });
  return enabled.length;
}

/** A restore whose parts come for longer is begun anew. */
const SPOOL_KEPT_MS = 48 * 3_600_000;
const RESTORES_AT_ONCE = 100;

/**
 * Deletes the parts, which are not encrypted, of restores that were given up or have failed, and what a crash left of
 * others. @returns how many restores were given up.
 */
export async function forgetRestores(deps: Pick<RestoreDeps, "db" | "blobs" | "now">): Promise<number> {
  const old = await selectIdleRestores(deps.db, deps.now() - SPOOL_KEPT_MS, RESTORES_AT_ONCE);
  let forgotten = 0;
  for (const { id, status } of old) {
    await forgetSpool(deps, id);
    if (status !== "receiving") continue;
    await deleteReceivingRestore(deps.db, id);
    forgotten += 1;
  }
  return forgotten;
}

async function forgetSpool(deps: Pick<RestoreDeps, "blobs">, id: string): Promise<void> {
  for (;;) {
    const { objects } = await deps.blobs.list({ prefix: prefix(id), limit: 1000 });
    if (objects.length === 0) return;
    await deps.blobs.delete(objects.map(({ key }) => key));
  }
}

async function manifestOf(deps: Pick<RestoreDeps, "blobs">, id: string): Promise<Manifest> {
  const object = await deps.blobs.get(`${prefix(id)}manifest.json`);
  if (object === null) throw new Error("the manifest of the restore is gone");
  return ManifestSchema.parse(await object.json());
}

function requireEnabled({ restoreEnabled }: { restoreEnabled: boolean }): void {
  if (restoreEnabled) return;
  throw new DevFlowError(
    "forbidden",
    "Restoring is off here: set RESTORE_ENABLED=true in an empty deployment.",
  );
}

function notEmpty(): DevFlowError {
  return new DevFlowError(
    "conflict",
    "A backup is restored into an empty deployment only; this one is not empty.",
  );
}
