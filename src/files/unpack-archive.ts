import { DevFlowError, type ErrorCode } from "../core/errors.ts";
import { insertGarbage } from "../db/blob-garbage.ts";
import {
  advanceJob,
  failJob,
  finishJob,
  type JobRow,
  markExpanded,
  selectJob,
  touchJob,
} from "../db/jobs.ts";
import { type AcceptDeps, accept, deleteBlobs } from "./accept.ts";
import { type Archive, type ArchiveEntry, ArchiveError } from "./archive-entry.ts";
import { archiveRules } from "./archive-rules.ts";
import type { IgnoreRules } from "./ignore.ts";
import { tooLargeToIndex } from "./inspect.ts";
import { StoredObject } from "./stored-object.ts";
import { openTarGz } from "./tar.ts";
import { UploadGroup } from "./upload-group.ts";
import { openZip } from "./zip.ts";

/** Entries that are accepted together, and after which a job can go on. */
const GROUP_ENTRIES = 100;

/**
 * What one message does of an archive; the next one goes on. A consumer has 15 minutes, of which 5 may be CPU time:
 * deployed, 100 files take a second or two, most of it waiting for R2.
 */
export interface Slice {
  entries: number;
  milliseconds: number;
}
const SLICE: Slice = { entries: 10_000, milliseconds: 180_000 };

/**
 * Unpacks the spooled archive of a job, accepts its files in groups and queues them as it goes. First it is read once
 * from end to end: a malformed archive fails the job with nothing of it taken, and its ignore files, wherever they
 * stand, count for all of it. Delivered again, or by the message that it sends itself after a slice, it goes on behind
 * the last group that was accepted.
 */
export async function unpackArchive(
  deps: AcceptDeps,
  message: { workspaceId: string; jobId: string; bulk?: true | undefined },
  slice: Slice = SLICE,
): Promise<void> {
  const { workspaceId, jobId } = message;
  const [job] = await selectJob(deps.db, workspaceId, jobId);
  const spool = job?.spec.spool;
  if (job === undefined || spool === undefined) return;
  if (job.expanded) return removeSpool(deps, workspaceId, spool);
  if (job.finishedAt !== null) return keepForRetry(deps, workspaceId, spool);
  const object = await deps.blobs.head(spool);
  if (object === null) {
    await failJob(deps.db, jobId, "The uploaded archive is no longer stored; upload it again.", deps.now());
    return;
  }
  const archive = openSpool(deps.blobs, job, spool, object.size);
  const started = deps.now();
  const enough = (entries: number) => entries >= slice.entries || deps.now() - started >= slice.milliseconds;
  try {
    const rules = await archiveRules(deps, archive, job, { verify: (job.spec.unpacked ?? 0) === 0 });
    const outcome = await takeEntries(deps, { job, bulk: message.bulk === true }, archive, rules, enough);
    if (outcome === "more") {
      // It is a large one, whatever its packed size.
      return await deps.queue.send([{ kind: "archive", workspaceId, jobId, bulk: true }]);
    }
    if (outcome === "over") return await keepForRetry(deps, workspaceId, spool);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === null) throw error;
    // The job says why: a reason may name an entry, and names of files are the workspace's own.
    deps.log.info("an archive was refused", { job_id: jobId });
    await deps.db.batch([
      failJob(deps.db, jobId, reason, deps.now()),
      insertGarbage(deps.db, workspaceId, [spool], deps.now()),
    ]);
    return deleteBlobs(deps, [spool]);
  }
  // In one batch: where the deletion below does not happen, the cron finds the note.
  await deps.db.batch([
    insertGarbage(deps.db, workspaceId, [spool], deps.now()),
    markExpanded(deps.db, jobId, deps.now()),
    finishJob(deps.db, jobId, deps.now()),
  ]);
  await deleteBlobs(deps, [spool]);
}

function openSpool(blobs: R2Bucket, job: JobRow, spool: string, size: number): Archive {
  if (job.spec.archive === "zip") return openZip(new StoredObject(blobs, spool, size));
  return openTarGz(async () => {
    const object = await blobs.get(spool);
    if (object === null) throw new Error("a spooled archive is gone while it is read");
    return object.body;
  });
}

/** A job, and whether what it queues is that of a large one. */
interface Target {
  job: JobRow;
  bulk: boolean;
}

/** @returns `all` where nothing is left, `more` after a slice, `over` where the job is: cancelled, for one. */
async function takeEntries(
  deps: AcceptDeps,
  target: Target,
  archive: Archive,
  rules: IgnoreRules,
  enough: (entries: number) => boolean,
): Promise<"all" | "more" | "over"> {
  const { id: jobId, workspaceId, keyId, requestId, spec } = target.job;
  const uploader = { workspaceId, keyId, requestId, ip: null, route: null };
  const group = new UploadGroup(deps, uploader, {
    folder: spec.path ?? null,
    allowSecrets: spec.allowSecrets === true,
    useDefaultIgnores: spec.useDefaultIgnores !== false,
  });
  const done = spec.unpacked ?? 0;
  let accepted = done;
  let taken = 0;
  for await (const entry of archive.entries()) {
    if (entry.number <= done) {
      // Its name is taken: a later entry of that name is a duplicate still.
      if (entry.special === null) group.pass(entry.name);
      continue;
    }
    await takeEntry(group, rules, entry);
    taken++;
    if (taken % GROUP_ENTRIES !== 0) continue;
    if (!(await acceptGroup(deps, target, group, accepted))) return "over";
    accepted = entry.number;
    if (!enough(taken)) continue;
    await advanceJob(deps.db, jobId, accepted, deps.now());
    return "more";
  }
  return (await acceptGroup(deps, target, group, accepted)) ? "all" : "over";
}

async function takeEntry(group: UploadGroup, rules: IgnoreRules, entry: ArchiveEntry): Promise<void> {
  const { name, number, special } = entry;
  if (special !== null) return group.refuse(name, number, special.reason, special.message);
  const path = group.claim(name, number);
  if (path === null) return;
  const verdict = rules.check(path);
  if (verdict !== null) return group.leaveOut(path, verdict.reason, verdict.message);
  const content = await entry.read();
  if (content.kind === "file") return await group.add(path, content.bytes);
  const { size, sha256 } = content;
  await group.addSkipped(path, { size, sha256, skip: tooLargeToIndex(size), secretScan: null, findings: [] });
}

/**
 * Accepts what was gathered. Entries up to `accepted` were by the calls before: noted here, which costs no round trip.
 * @returns false where the job is over meanwhile.
 */
async function acceptGroup(
  deps: AcceptDeps,
  { job: { workspaceId, id: jobId, spec }, bulk }: Target,
  group: UploadGroup,
  accepted: number,
): Promise<boolean> {
  const [, , [job]] = await deps.db.batch([
    touchJob(deps.db, jobId, deps.now()),
    advanceJob(deps.db, jobId, accepted, deps.now()),
    selectJob(deps.db, workspaceId, jobId),
  ]);
  if (job === undefined || job.finishedAt !== null) return false;
  await group.flush();
  const gathered = group.take();
  // For uploads of a sync, which an archive never is.
  group.versions = [];
  if (gathered.candidates.length + gathered.outcomes.length === 0) return true;
  await accept(deps, {
    workspaceId,
    keyId: job.keyId,
    generation: spec.generation ?? null,
    ...gathered,
    job: { id: jobId },
    precondition: null,
    event: null,
    bulk,
  });
  return true;
}

/** Refusals of what was sent, or of more than may be stored. */
const LASTING: ReadonlySet<ErrorCode> = new Set(["quota_exceeded", "unsupported_pattern"]);

/** What a client is told of a failure that another delivery would meet again; null for all others. */
function reasonOf(error: unknown): string | null {
  if (error instanceof ArchiveError) return error.message;
  const lasting = error instanceof DevFlowError && LASTING.has(error.code);
  return lasting ? error.message : null;
}

/** A retry of a job that was cancelled takes its archive back; where none comes, the cron deletes it hours later. */
async function keepForRetry(deps: AcceptDeps, workspaceId: string, spool: string): Promise<void> {
  await insertGarbage(deps.db, workspaceId, [spool], deps.now());
}

async function removeSpool(deps: AcceptDeps, workspaceId: string, spool: string): Promise<void> {
  await insertGarbage(deps.db, workspaceId, [spool], deps.now());
  await deleteBlobs(deps, [spool]);
}
