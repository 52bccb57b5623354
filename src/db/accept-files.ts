import { type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import { LIMITS } from "../core/limits.ts";
import type { SecurityEvent } from "../core/security-event.ts";
import { blobKey } from "./blob-garbage.ts";
import type { Database } from "./database.ts";
import { selectFiles } from "./files.ts";
import { runningJobs } from "./jobs.ts";
import type { JobKind, JobSpec } from "./schema.ts";
import { insertSecurityEventIf } from "./security-events.ts";

/** A file version as it is to stand in `files`. */
export interface AcceptedFile {
  path: string;
  size: number;
  sha256: string;
  /** Random part of its R2 key; null for skipped files, which are not stored. */
  blob: string | null;
  language: string;
  status: "pending" | "skipped";
  reason: string | null;
  message: string | null;
  /** What the file itself says of why it is skipped; for those reasons that need a word. */
  error: string | null;
  /** See the column. */
  secretScan: string | null;
}

/** What became of an entry of an upload that changes no row. */
export interface EntryOutcome {
  path: string;
  status: "unchanged" | "skipped";
  reason: string | null;
  message: string | null;
  /** Its row says the same already. */
  standing?: boolean;
}

export interface NewJob {
  id: string;
  kind: JobKind;
  keyId: string | null;
  requestId: string | null;
  spec: JobSpec;
  expanded: boolean;
  /** Nothing is left to do: it is born finished, and takes no place among the running jobs. */
  finished: boolean;
}

/** RFC 9110, section 13.1, on the file at one path: its entity tag is its SHA-256. `*` stands for any. */
export interface Precondition {
  path: string;
  ifMatch: "*" | string[] | null;
  ifNoneMatch: "*" | string[] | null;
}

/** One accepted change of any number of files, of different paths. */
export interface FileChange {
  /** Unique: the batch's statements know by it whether the first one let them pass. */
  id: string;
  workspaceId: string;
  now: number;
  /** Taken at an earlier acceptance (of an archive); null takes the workspace's next one. */
  generation: number | null;
  files: AcceptedFile[];
  /** The job that the change makes; or one that stands already. */
  job: { create: NewJob } | { id: string } | null;
  outcomes: EntryOutcome[];
  precondition: Precondition | null;
  /** An event that tells of the change: written with it, or not at all. */
  event: SecurityEvent | null;
}

/**
 * The statements of a change, for one batch. The first decides in SQL, so that no race passes a quota or a
 * precondition, and returns the generation, or no row where it refused; then all others do nothing.
 * Files with a newer generation, or deleted since, are left alone. Results, by name, are at `indexOf`.
 * `CROSS JOIN` keeps the order as it is written: the planner would go through the whole workspace for each entry.
 */
export function acceptFiles(db: Database, change: FileChange) {
  const { workspaceId, now } = change;
  const entries = sql`(SELECT value ->> 'path' AS path, value ->> 'size' AS size, value ->> 'sha256' AS sha256,
    value ->> 'blob' AS blob, value ->> 'language' AS language, value ->> 'status' AS status,
    value ->> 'reason' AS reason, value ->> 'message' AS message, value ->> 'error' AS error,
    value ->> 'secretScan' AS secret_scan, value -> 'above' AS above
    FROM json_each(${JSON.stringify(change.files.map(withFolders))}))`;
  const admitted = sql`SELECT id, ${change.generation ?? sql`generation`} AS generation
    FROM workspaces WHERE id = ${workspaceId} AND last_change = ${change.id}`;
  const jobId = change.job === null ? null : "create" in change.job ? change.job.create.id : change.job.id;
  const paths = [...new Set([...change.files, ...change.outcomes].map((file) => file.path))];

  const garbage = db.run(sql`
    INSERT INTO blob_garbage (key, workspace_id, created_at)
    SELECT ${blobKey(workspaceId, "")} || f.blob, w.id, ${now}
    FROM (${admitted}) AS w CROSS JOIN ${entries} AS j
    CROSS JOIN files AS f ON f.workspace_id = w.id AND f.path = j.path
    WHERE f.blob IS NOT NULL AND f.generation < w.generation
    ON CONFLICT (key) DO NOTHING`);
  // What a skipped version replaces must leave index and vectors: a deletion like any other.
  const buried = db.all<{ path: string; generation: number }>(sql`
    INSERT INTO tombstones (workspace_id, path, generation, deleted_at, settled_at)
    SELECT w.id, j.path, w.generation, ${now}, NULL
    FROM (${admitted}) AS w CROSS JOIN ${entries} AS j
    CROSS JOIN files AS f ON f.workspace_id = w.id AND f.path = j.path
    WHERE j.status = 'skipped' AND f.blob IS NOT NULL AND f.generation < w.generation
    ON CONFLICT (workspace_id, path) DO UPDATE
    SET generation = excluded.generation, deleted_at = excluded.deleted_at, settled_at = NULL
    WHERE tombstones.generation < excluded.generation
    RETURNING path, generation`);
  const upsert = db.run(sql`
    INSERT INTO files (workspace_id, path, generation, size, sha256, blob, language, status, skip_reason, error,
      secret_scan, chunks, updated_at)
    SELECT w.id, j.path, w.generation, j.size, j.sha256, j.blob, j.language, j.status, j.reason, j.error,
      j.secret_scan, 0, ${now}
    FROM (${admitted}) AS w CROSS JOIN ${entries} AS j
    WHERE ${notDeletedSince(sql`w.generation`, workspaceId)}
    ON CONFLICT (workspace_id, path) DO UPDATE SET
      generation = excluded.generation, size = excluded.size, sha256 = excluded.sha256, blob = excluded.blob,
      language = excluded.language, status = excluded.status, skip_reason = excluded.skip_reason, error = excluded.error,
      secret_scan = excluded.secret_scan,
      chunks = iif(excluded.status = 'pending', files.chunks, 0),
      chunked_by = iif(excluded.status = 'pending', files.chunked_by, NULL),
      indexed_at = iif(excluded.status = 'pending', files.indexed_at, NULL),
      updated_at = excluded.updated_at
    WHERE files.generation < excluded.generation`);
  const owned = db.run(sql`
    DELETE FROM blob_garbage WHERE key IN (
      SELECT ${blobKey(workspaceId, "")} || f.blob FROM ${entries} AS j
      CROSS JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = j.path WHERE f.blob = j.blob)`);
  const jobFiles = db.run(sql`
    INSERT INTO job_files (job_id, path, generation, status, reason, message)
    SELECT ${jobId}, j.path, w.generation,
      iif(f.generation = w.generation AND f.blob IS j.blob, j.status, 'skipped'),
      iif(f.generation = w.generation AND f.blob IS j.blob, j.reason, 'superseded'),
      iif(f.generation = w.generation AND f.blob IS j.blob, j.message,
        'A newer change of this file was accepted meanwhile.')
    FROM (${admitted}) AS w CROSS JOIN ${entries} AS j
    LEFT JOIN files AS f ON f.workspace_id = w.id AND f.path = j.path
    WHERE true ON CONFLICT (job_id, path) DO NOTHING`);
  const outcomes = db.run(sql`
    INSERT INTO job_files (job_id, path, generation, status, reason, message)
    SELECT ${jobId}, value ->> 'path', w.generation, value ->> 'status', value ->> 'reason', value ->> 'message'
    FROM (${admitted}) AS w CROSS JOIN json_each(${JSON.stringify(change.outcomes)})
    WHERE true ON CONFLICT (job_id, path) DO NOTHING`);
  // Also those of an earlier delivery whose messages may have been lost.
  const toIndex = db.all<{ path: string; generation: number; size: number }>(sql`
    SELECT jf.path, jf.generation, f.size FROM json_each(${JSON.stringify(paths)}) AS j
    CROSS JOIN job_files AS jf ON jf.job_id = ${jobId} AND jf.path = j.value AND jf.status = 'pending'
    JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = jf.path AND f.generation = jf.generation`);

  const statements = [
    admit(db, change, entries),
    garbage,
    buried,
    upsert,
    owned,
    ...(change.job !== null && "create" in change.job ? [insertJob(db, change, change.job.create)] : []),
    ...(jobId === null ? [] : [jobFiles, outcomes]),
    ...(change.event === null ? [] : [insertSecurityEventIf(db, change.event, sql`EXISTS (${admitted})`)]),
    toIndex,
    selectFiles(
      db,
      workspaceId,
      change.files.map((file) => file.path),
    ),
  ];
  return statements as unknown as [BatchItem<"sqlite">, ...BatchItem<"sqlite">[]];
}

/**
 * With where the folders above it end, in characters as SQL counts them: their names would take as much room as the
 * square of the path, and a parameter has 2 MB.
 */
function withFolders(file: AcceptedFile): AcceptedFile & { above: number[] } {
  const above: number[] = [];
  let characters = 0;
  for (const character of file.path) {
    characters++;
    if (character === "/") above.push(characters);
  }
  return { ...file, above };
}

/** Whether neither the file nor a folder above it was deleted at or after that generation. */
function notDeletedSince(generation: SQL, workspaceId: string): SQL {
  return sql`NOT EXISTS (
    SELECT 1 FROM tombstones AS t WHERE t.workspace_id = ${workspaceId} AND t.generation > ${generation}
      AND t.path IN (SELECT j.path UNION ALL SELECT '/' UNION ALL
        SELECT substr(j.path, 1, value) FROM json_each(j.above)))`;
}

function admit(db: Database, change: FileChange, entries: SQL) {
  const { workspaceId, generation, precondition } = change;
  // A new generation is above every other; an earlier one must leave alone what came after it.
  const eligible =
    generation === null
      ? sql`true`
      : sql`coalesce(f.generation < ${generation}, true) AND ${notDeletedSince(sql`${generation}`, workspaceId)}`;
  const newRunningJob =
    change.job !== null &&
    "create" in change.job &&
    !change.job.create.finished &&
    change.job.create.kind !== "put"
      ? sql`${runningJobs(workspaceId)} < ${LIMITS.workspaceRunningJobs}`
      : sql`true`;
  return db.all<{ generation: number }>(sql`
    UPDATE workspaces SET
      generation = workspaces.generation + ${generation === null ? 1 : 0}, last_change = ${change.id},
      stored_files = stored_files + d.files, stored_bytes = stored_bytes + d.bytes
    FROM (
      SELECT count(*) - count(f.path) AS files,
        coalesce(sum(iif(j.blob IS NULL, 0, j.size)), 0) - coalesce(sum(iif(f.blob IS NULL, 0, f.size)), 0) AS bytes
      FROM ${entries} AS j LEFT JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = j.path
      WHERE ${eligible}) AS d
    WHERE id = ${workspaceId} AND deleted_at IS NULL
      AND (d.files <= 0 OR stored_files + d.files <= coalesce(max_files, ${LIMITS.workspaceFiles}))
      AND (d.bytes <= 0 OR stored_bytes + d.bytes <= coalesce(max_bytes, ${LIMITS.workspaceBytes}))
      AND ${newRunningJob} AND ${precondition === null ? sql`true` : holds(precondition, workspaceId)}
    RETURNING ${generation ?? sql`workspaces.generation`} AS generation`);
}

function holds({ path, ifMatch, ifNoneMatch }: Precondition, workspaceId: string): SQL {
  const matching = (tags: "*" | string[]) => {
    const among =
      tags === "*" ? sql`true` : sql`sha256 IN (SELECT value FROM json_each(${JSON.stringify(tags)}))`;
    return sql`EXISTS (SELECT 1 FROM files WHERE workspace_id = ${workspaceId} AND path = ${path} AND ${among})`;
  };
  return sql`${ifMatch === null ? sql`true` : matching(ifMatch)}
    AND ${ifNoneMatch === null ? sql`true` : sql`NOT ${matching(ifNoneMatch)}`}`;
}

function insertJob(db: Database, change: FileChange, job: NewJob) {
  const { workspaceId, now } = change;
  const finishedAt = job.finished ? now : null;
  return db.run(sql`
    INSERT INTO jobs (id, workspace_id, key_id, request_id, kind, status, spec, expanded, created_at, started_at,
      updated_at, finished_at)
    SELECT ${job.id}, id, ${job.keyId}, ${job.requestId}, ${job.kind}, ${job.finished ? "succeeded" : "queued"},
      json_set(${JSON.stringify(job.spec)}, '$.generation', generation), ${job.expanded ? 1 : 0}, ${now},
      ${finishedAt}, ${now}, ${finishedAt}
    FROM workspaces WHERE id = ${workspaceId} AND last_change = ${change.id}`);
}
