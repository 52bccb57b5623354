import type { Cursors } from "../core/cursor.ts";
import { DevFlowError } from "../core/errors.ts";
import type { Database } from "../db/database.ts";
import { countJobFiles } from "../db/job-counts.ts";
import { type JobFileRow, listJobFiles } from "../db/job-files.ts";
import { type JobRow, listJobs, selectDeletionJob, selectDeploymentJob, selectJob } from "../db/jobs.ts";
import type { JobFileCount, JobFileStatus, JobKind, JobStatus } from "../db/schema.ts";

/** A job as it stands: its row, and what its files add up to. Times are milliseconds since the epoch. */
export interface JobView {
  id: string;
  kind: JobKind;
  status: JobStatus;
  /** `done`: files that have an outcome, whichever. */
  files: { total: number; done: number; unchanged: number; skipped: number; failed: number };
  chunks: { total: number; embedded: number; reused: number };
  tokens: number;
  error: string | null;
  /** Why it is paused: a code; null while it is not. */
  pausedFor: "budget_exhausted" | null;
  receipt: Record<string, number | string> | null;
  createdAt: number;
  startedAt: number | null;
  updatedAt: number;
  finishedAt: number | null;
  /** At the rate so far; null where there is none yet, and at the end. */
  etaSeconds: number | null;
}

export interface JobsDeps {
  db: Database;
  cursors: Cursors;
  now(): number;
}

/** One job of the workspace. Errors: `not_found`. */
export async function viewJob(
  deps: Pick<JobsDeps, "db" | "now">,
  workspaceId: string,
  id: string,
): Promise<JobView> {
  return viewJobRow(deps, await findJob(deps, workspaceId, id));
}

/** The job that erases a workspace, for the root key: no other job of any workspace. Errors: `not_found`. */
export async function viewDeletion(deps: Pick<JobsDeps, "db" | "now">, id: string): Promise<JobView> {
  const [row] = await selectDeletionJob(deps.db, { id });
  if (row === undefined) throw new DevFlowError("not_found", "There is no such deletion of a workspace.");
  return viewJobRow(deps, row);
}

/** A backup or restore, for the root key. Errors: `not_found`. */
export async function viewDeploymentJob(deps: Pick<JobsDeps, "db" | "now">, id: string): Promise<JobView> {
  const [row] = await selectDeploymentJob(deps.db, id);
  if (row === undefined) throw new DevFlowError("not_found", "There is no such job of the deployment.");
  return viewJobRow(deps, row);
}

/** What the root key may see of jobs: backups, restores, deletions of workspaces. Errors: `not_found`. */
export async function viewRootJob(deps: Pick<JobsDeps, "db" | "now">, id: string): Promise<JobView> {
  const [row] = await selectDeploymentJob(deps.db, id);
  return row === undefined ? viewDeletion(deps, id) : viewJobRow(deps, row);
}

/** The job that the row stands for; its files are counted where it is not over. */
export async function viewJobRow(deps: Pick<JobsDeps, "db" | "now">, row: JobRow): Promise<JobView> {
  return jobView(row, row.counts ?? (await countJobFiles(deps.db, [row.id])), deps.now());
}

/** Errors: `not_found`. */
export async function findJob(deps: Pick<JobsDeps, "db">, workspaceId: string, id: string): Promise<JobRow> {
  const [row] = await selectJob(deps.db, workspaceId, id);
  if (row === undefined) throw new DevFlowError("not_found", "There is no such job in this workspace.");
  return row;
}

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Newest first. Errors: `invalid_cursor`. */
export async function viewJobs(
  deps: JobsDeps,
  workspaceId: string,
  page: { limit: number; cursor: string | null },
): Promise<Page<JobView>> {
  const scope = [workspaceId, "jobs"];
  const position = page.cursor === null ? null : await deps.cursors.open(scope, page.cursor);
  const before = position && { createdAt: Number(position[0]), id: String(position[1]) };
  const rows = await listJobs(deps.db, workspaceId, before, page.limit + 1);
  const shown = rows.slice(0, page.limit);
  const counts = await countJobFiles(
    deps.db,
    shown.filter((row) => row.counts === null).map(({ id }) => id),
  );
  const now = deps.now();
  const last = rows.length > page.limit ? shown.at(-1) : undefined;
  return {
    items: shown.map((row) =>
      jobView(row, row.counts ?? counts.filter(({ jobId }) => jobId === row.id), now),
    ),
    nextCursor: last ? await deps.cursors.sign(scope, [last.createdAt, last.id]) : null,
  };
}

/** Files of a job, by path. Errors: `not_found`, `invalid_cursor`. */
export async function viewJobFiles(
  deps: JobsDeps,
  workspaceId: string,
  jobId: string,
  page: { status: JobFileStatus | null; limit: number; cursor: string | null },
): Promise<Page<JobFileRow>> {
  const scope = [workspaceId, "job-files", jobId, page.status ?? ""];
  const position = page.cursor === null ? null : await deps.cursors.open(scope, page.cursor);
  const after = position && String(position[0]);
  await findJob(deps, workspaceId, jobId);
  const rows = await listJobFiles(deps.db, jobId, page.status, after, page.limit + 1);
  const items = rows.slice(0, page.limit);
  const last = rows.length > page.limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? await deps.cursors.sign(scope, [last.path]) : null };
}

/** Adds up a job. The counts are those of its files, a row for each status. */
export function jobView(row: JobRow, counts: readonly JobFileCount[], now: number): JobView {
  const sum = (pick: (count: JobFileCount) => number) =>
    counts.reduce((total, count) => total + pick(count), 0);
  const inStatus = (status: JobFileStatus) =>
    counts.filter((count) => count.status === status).reduce((total, { files }) => total + files, 0);
  const total = sum(({ files }) => files);
  const done = total - inStatus("pending");
  return {
    id: row.id,
    kind: row.kind,
    status: row.status,
    files: {
      total,
      done,
      unchanged: inStatus("unchanged"),
      skipped: inStatus("skipped"),
      failed: inStatus("failed"),
    },
    chunks: {
      total: sum(({ chunks }) => chunks),
      embedded: sum(({ embedded }) => embedded),
      reused: sum(({ reused }) => reused),
    },
    tokens: sum(({ tokens }) => tokens),
    error: row.error,
    pausedFor: row.status === "paused" ? "budget_exhausted" : null,
    receipt: row.receipt,
    createdAt: row.createdAt,
    startedAt: row.startedAt,
    updatedAt: row.updatedAt,
    finishedAt: row.finishedAt,
    etaSeconds: etaSeconds(row, total, done, now),
  };
}

/** The first twentieth of the files tells too little of how long the others take. */
function etaSeconds(row: JobRow, total: number, done: number, now: number): number | null {
  if (row.finishedAt !== null || row.status === "paused" || row.startedAt === null) return null;
  if (done === 0 || done * 20 < total) return null;
  return Math.ceil((((now - row.startedAt) / done) * (total - done)) / 1000);
}
