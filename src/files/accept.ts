import { mapBounded } from "../core/bounded.ts";
import { DevFlowError } from "../core/errors.ts";
import { base32, randomBytes } from "../core/ids.ts";
import { languageOf } from "../core/languages.ts";
import { LIMITS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { type FileToIndex, indexMessages } from "../core/messages.ts";
import type { MessageQueue } from "../core/ports.ts";
import type { SecurityEvent, SecurityEvents } from "../core/security-event.ts";
import type { UsageRecorder } from "../core/usage.ts";
import { acceptFiles, type EntryOutcome, type NewJob, type Precondition } from "../db/accept-files.ts";
import { blobKey, deleteGarbage, insertGarbage } from "../db/blob-garbage.ts";
import { type FileRow, selectFiles } from "../db/files.ts";
import type { Tombstone } from "../db/tombstones.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import type { Inspected } from "./inspect.ts";
import { type RemoveDerivedDeps, removeDerived } from "./remove-derived.ts";

export interface AcceptDeps extends RemoveDerivedDeps {
  blobs: R2Bucket;
  queue: MessageQueue;
  log: Logger;
  events: SecurityEvents;
  usage: UsageRecorder;
  /** Work that may outlive the answer. */
  background(work: Promise<unknown>): void;
}

/** A file version that was read; `blob` is set once its bytes are in R2. */
export interface Candidate extends Inspected {
  path: string;
  blob: string | null;
}

export interface Acceptance {
  workspaceId: string;
  /** Who stores them. */
  keyId: string | null;
  /** Generation taken at an earlier acceptance, or null for the next one. */
  generation: number | null;
  candidates: Candidate[];
  outcomes: EntryOutcome[];
  /** A job to be made, a standing one, or none. */
  job: { create: NewJob } | { id: string } | null;
  precondition: Precondition | null;
  /** Told of with the change: an override that an admin asked for. */
  event: SecurityEvent | null;
  /** Its files are a part of a large job's. */
  bulk?: boolean;
}

export interface Accepted {
  generation: number;
  /** Rows of the candidates' paths as they stand now. */
  rows: FileRow[];
  /** Files of the job that wait for the index. */
  toIndex: FileToIndex[];
}

/** R2 puts side by side: the platform opens six connections at once. */
const PUTS_AT_ONCE = 4;

/**
 * Whether the stored row already says what the version would: then nothing is to be done. One that is left out is so
 * for the same reason, found by the same rules.
 */
export function isUnchanged(row: FileRow | undefined, version: Inspected): boolean {
  if (row === undefined || row.sha256 !== version.sha256 || row.status === "failed") return false;
  // What was found unfit while it was indexed has its bytes stored, and is unfit still.
  if (row.blob !== null) return version.skip === null;
  return row.skipReason === version.skip?.reason && row.secretScan === version.secretScan;
}

/**
 * Stores the bytes of those that are to be indexed, under random names that are noted as nobody's until a row
 * owns them. Sets each candidate's `blob`.
 */
export async function storeBlobs(
  deps: AcceptDeps,
  workspaceId: string,
  files: readonly { candidate: Candidate; bytes: Uint8Array }[],
): Promise<void> {
  const storing = files.filter(({ candidate }) => candidate.skip === null);
  if (storing.length === 0) return;
  for (const { candidate } of storing) candidate.blob = base32(randomBytes(20));
  const keys = storing.map(({ candidate }) => blobKey(workspaceId, candidate.blob as string));
  await insertGarbage(deps.db, workspaceId, keys, deps.now());
  await mapBounded(storing, PUTS_AT_ONCE, ({ bytes }, i) => deps.blobs.put(keys[i] as string, bytes));
}

/**
 * Accepts the versions in one batch, then queues what is to be indexed and cleans up what was replaced.
 * Errors: `precondition_failed`; `quota_exceeded` for files, bytes or running jobs; `not_found` for a workspace
 * that is being deleted. A refused change leaves nothing behind.
 */
export async function accept(deps: AcceptDeps, acceptance: Acceptance): Promise<Accepted> {
  const { workspaceId } = acceptance;
  const results = (await deps.db.batch(
    acceptFiles(deps.db, {
      id: base32(randomBytes(16)),
      workspaceId,
      now: deps.now(),
      generation: acceptance.generation,
      files: acceptance.candidates.map((candidate) => ({
        path: candidate.path,
        size: candidate.size,
        sha256: candidate.sha256,
        blob: candidate.blob,
        language: languageOf(candidate.path),
        status: candidate.skip === null ? "pending" : "skipped",
        reason: candidate.skip?.reason ?? null,
        message: candidate.skip?.message ?? null,
        error: candidate.skip?.reason === "secret_detected" ? candidate.skip.message : null,
        secretScan: candidate.secretScan,
      })),
      job: acceptance.job,
      outcomes: acceptance.outcomes,
      precondition: acceptance.precondition,
      event: acceptance.event,
    }),
  )) as unknown[][];
  const [admitted] = results[0] as { generation: number }[];
  if (admitted === undefined) throw await refusal(deps, acceptance);
  if (acceptance.event !== null) deps.events.stored(acceptance.event);
  const bytesStored = acceptance.candidates.reduce((sum, { blob, size }) => sum + (blob ? size : 0), 0);
  if (bytesStored > 0) deps.usage.add(workspaceId, acceptance.keyId, { bytesStored });
  const jobId =
    acceptance.job === null
      ? null
      : "create" in acceptance.job
        ? acceptance.job.create.id
        : acceptance.job.id;
  const toIndex = results.at(-2) as FileToIndex[];
  if (jobId !== null && toIndex.length > 0) {
    await deps.queue.send(indexMessages(workspaceId, jobId, toIndex, { bulk: acceptance.bulk === true }));
  }
  await cleanUp(deps, workspaceId, results[2] as Tombstone[]);
  return { generation: admitted.generation, rows: results.at(-1) as FileRow[], toIndex };
}

/** What a skipped version replaced leaves the index now; where that fails, the cron finishes it. */
async function cleanUp(deps: AcceptDeps, workspaceId: string, buried: Tombstone[]): Promise<void> {
  if (buried.length === 0) return;
  try {
    await removeDerived(deps, workspaceId, buried);
  } catch (error) {
    deps.log.error("replaced files are not out of the index yet", error, { files: buried.length });
  }
}

/** Deletes objects that no row owns. They are forgotten only when R2 has deleted them. */
export async function deleteBlobs(
  deps: Pick<AcceptDeps, "db" | "blobs">,
  keys: readonly string[],
): Promise<void> {
  for (let start = 0; start < keys.length; start += 1000) {
    const some = keys.slice(start, start + 1000);
    await deps.blobs.delete(some);
    await deleteGarbage(deps.db, some);
  }
}

/** Deletes what was stored for versions that are not accepted after all. */
export function discard(deps: AcceptDeps, workspaceId: string, candidates: readonly Candidate[]): void {
  const keys = candidates.flatMap(({ blob }) => (blob === null ? [] : [blobKey(workspaceId, blob)]));
  if (keys.length > 0) deps.background(deleteBlobs(deps, keys));
}

/** Why the batch was refused, and what it had stored already is deleted. */
async function refusal(deps: AcceptDeps, { workspaceId, ...acceptance }: Acceptance): Promise<DevFlowError> {
  discard(deps, workspaceId, acceptance.candidates);
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  if (workspace === undefined || workspace.deletedAt !== null) {
    return new DevFlowError("not_found", "The workspace is being deleted.");
  }
  const paths = acceptance.candidates.map(({ path }) => path);
  const existing = await selectFiles(deps.db, workspaceId, paths);
  if (acceptance.precondition !== null && !met(acceptance.precondition, existing[0])) {
    return new DevFlowError("precondition_failed", "The stored file is not the one that the request names.");
  }
  const maxFiles = workspace.maxFiles ?? LIMITS.workspaceFiles;
  const maxBytes = workspace.maxBytes ?? LIMITS.workspaceBytes;
  if (workspace.storedFiles + paths.length - existing.length > maxFiles) {
    return quota(`The workspace may hold ${maxFiles} files.`, "files", maxFiles);
  }
  const bytes = acceptance.candidates.reduce((sum, { blob, size }) => sum + (blob === null ? 0 : size), 0);
  const replaced = existing.reduce((sum, { blob, size }) => sum + (blob === null ? 0 : size), 0);
  if (workspace.storedBytes + bytes - replaced > maxBytes) {
    return quota(`The workspace may hold ${maxBytes} bytes.`, "bytes", maxBytes);
  }
  return quota(
    `The workspace may have ${LIMITS.workspaceRunningJobs} jobs running; wait for one to end.`,
    "running_jobs",
    LIMITS.workspaceRunningJobs,
  );
}

function quota(detail: string, name: string, max: number): DevFlowError {
  return new DevFlowError("quota_exceeded", detail, { members: { quota: name, max } });
}

/** RFC 9110, sections 13.1.1 and 13.1.2, as `acceptFiles` decides it in SQL. */
export function met({ ifMatch, ifNoneMatch }: Precondition, row: FileRow | undefined): boolean {
  const matches = (tags: "*" | string[]) => row !== undefined && (tags === "*" || tags.includes(row.sha256));
  return (ifMatch === null || matches(ifMatch)) && (ifNoneMatch === null || !matches(ifNoneMatch));
}
