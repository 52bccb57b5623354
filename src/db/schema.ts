import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { ChunkedBy } from "../core/chunk.ts";

/** Times are milliseconds since the epoch; sizes are bytes; JSON columns are typed. */

export const workspaces = sqliteTable("workspaces", {
  id: text().primaryKey(),
  name: text().notNull(),
  /** Counts accepted changes. Each change, of one file or of many at once, takes the next value. */
  generation: integer().notNull().default(0),
  /** The change accepted last: the other statements of its batch do their work only if it was accepted. */
  lastChange: text("last_change"),
  /** Rows in `files`, and bytes in their blobs; kept by the statements that change them. */
  storedFiles: integer("stored_files").notNull().default(0),
  storedBytes: integer("stored_bytes").notNull().default(0),
  /** Identity of the embeddings in use; null until the first file is indexed. */
  embeddingModel: text("embedding_model"),
  embeddingDimensions: integer("embedding_dimensions"),
  /** Chroma's id of the collection in use. */
  collectionId: text("collection_id"),
  /** The collection of another model that is being filled beside it, and takes its place when the job has succeeded. */
  nextCollection: text("next_collection", { mode: "json" }).$type<NextCollection>(),
  monthlyTokenBudget: integer("monthly_token_budget"),
  maxFiles: integer("max_files"),
  maxBytes: integer("max_bytes"),
  createdAt: integer("created_at").notNull(),
  /** Set while the workspace is being deleted: its keys are refused. */
  deletedAt: integer("deleted_at"),
});

export interface NextCollection {
  model: string;
  dimensions: number;
  /** Chroma's id. */
  collectionId: string;
  jobId: string;
}

export const apiKeys = sqliteTable(
  "api_keys",
  {
    id: text().primaryKey(),
    workspaceId: text("workspace_id").notNull(),
    name: text().notNull(),
    /** SHA-256 of the key, hexadecimal. The key itself is never stored. */
    digest: text().notNull(),
    /** The first characters of the key, to recognise it by. */
    prefix: text().notNull(),
    scopes: text({ mode: "json" }).$type<string[]>().notNull(),
    /** Lower (or, by root, higher) limits: policy → quota. */
    limits: text({ mode: "json" }).$type<Record<string, { requests: number; window_seconds: number }>>(),
    /** The id whose rate-limit bucket this key shares: its own, or the one that it was rotated from. */
    bucketId: text("bucket_id").notNull(),
    createdBy: text("created_by"),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at"),
    lastUsedAt: integer("last_used_at"),
    revokedAt: integer("revoked_at"),
  },
  (t) => [uniqueIndex("api_keys_digest").on(t.digest), index("api_keys_workspace").on(t.workspaceId, t.id)],
);

export type FileStatus = "pending" | "indexed" | "skipped" | "failed";

/** What was accepted. Index and vectors are derived from it and carry its generation. */
export const files = sqliteTable(
  "files",
  {
    workspaceId: text("workspace_id").notNull(),
    path: text().notNull(),
    generation: integer().notNull(),
    size: integer().notNull(),
    /** Of the bytes as uploaded, hexadecimal. */
    sha256: text().notNull(),
    /** Random part of the R2 key `ws/<workspace>/blobs/<blob>`; null where nothing is stored. */
    blob: text(),
    language: text().notNull(),
    status: text().$type<FileStatus>().notNull(),
    skipReason: text("skip_reason"),
    error: text(),
    /**
     * The rules under which the content was searched for secrets (`SECRET_RULES`); `allowed` where an admin let it
     * through; null: it is searched before it is indexed.
     */
    secretScan: text("secret_scan"),
    chunks: integer().notNull().default(0),
    chunkedBy: text("chunked_by").$type<ChunkedBy>(),
    updatedAt: integer("updated_at").notNull(),
    indexedAt: integer("indexed_at"),
    /** `<backup>/<part>/<blob>`: the part of a backup that holds a blob; it says nothing once `blob` is another. */
    archivedIn: text("archived_in"),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.path] }),
    index("files_status").on(t.workspaceId, t.status),
    index("files_sha256").on(t.workspaceId, t.sha256),
  ],
);

/** R2 objects that no row owns any more: to be deleted, then forgotten. Written with the change that frees them. */
export const blobGarbage = sqliteTable("blob_garbage", {
  key: text().primaryKey(),
  workspaceId: text("workspace_id").notNull(),
  createdAt: integer("created_at").notNull(),
});

/** Deleted files: what the derived side may still hold, and what a restored backup must not bring back. */
export const tombstones = sqliteTable(
  "tombstones",
  {
    workspaceId: text("workspace_id").notNull(),
    path: text().notNull(),
    generation: integer().notNull(),
    deletedAt: integer("deleted_at").notNull(),
    /** When index and vectors were found clean of it. */
    settledAt: integer("settled_at"),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.path] }),
    index("tombstones_open").on(t.deletedAt).where(sql`settled_at IS NULL`),
    index("tombstones_deleted").on(t.deletedAt, t.workspaceId, t.path),
  ],
);

/** `put` is one file by `PUT`: it ends within a second or two, and takes no place among the running jobs. */
export type JobKind =
  | "put"
  | "upload"
  | "archive"
  | "sync"
  | "index"
  | "delete"
  | "delete_workspace"
  | "backup"
  | "restore"
  | "export";
export type JobStatus = "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

/** What a job works on; which members are set depends on its kind. */
export interface JobSpec {
  path?: string;
  recursive?: boolean;
  extensions?: string[];
  excludePatterns?: string[];
  maxFileSize?: number;
  force?: boolean;
  all?: boolean;
  /** R2 key of the spooled archive, and its form. */
  spool?: string;
  archive?: "zip" | "tar.gz";
  /** Entries of the archive, from its beginning, that have their outcome: unpacking goes on behind them. */
  unpacked?: number;
  /** Generation that the job's changes take: that of its acceptance, so that what came later wins. */
  generation?: number;
  useDefaultIgnores?: boolean;
  allowSecrets?: boolean;
  /** The sync that the job carries out. */
  sync?: string;
  /** Name of the collection that this job's replaces: deleted as its first step. */
  retiredCollection?: string;
  /** Name of the collection that this job fills another one beside: deleted some minutes after the switch. */
  replacedCollection?: string;
  /** What an export has written so far. */
  exported?: ExportProgress;
}

export interface ExportProgress {
  /** The last file that is in it, by path. */
  afterPath: string;
  /** R2 keys, and bytes of each, in order. */
  parts: { key: string; size: number }[];
  files: number;
  /** Of the files' contents. */
  bytes: number;
  /** All is written. */
  done: boolean;
}

export const jobs = sqliteTable(
  "jobs",
  {
    id: text().primaryKey(),
    workspaceId: text("workspace_id").notNull(),
    keyId: text("key_id"),
    requestId: text("request_id"),
    kind: text().$type<JobKind>().notNull(),
    status: text().$type<JobStatus>().notNull(),
    spec: text({ mode: "json" }).$type<JobSpec>().notNull(),
    /** All files of the job are in `job_files`. A job is done when this is set and none is pending. */
    expanded: integer({ mode: "boolean" }).notNull(),
    error: text(),
    /** While it is paused: tokens that the workspace's budget must have left before it goes on. */
    tokensWanted: integer("tokens_wanted"),
    /** What its files added up to when it ended; null before, when they are counted. */
    counts: text({ mode: "json" }).$type<JobFileCount[]>(),
    receipt: text({ mode: "json" }).$type<Record<string, number | string>>(),
    createdAt: integer("created_at").notNull(),
    startedAt: integer("started_at"),
    updatedAt: integer("updated_at").notNull(),
    finishedAt: integer("finished_at"),
  },
  (t) => [
    index("jobs_workspace").on(t.workspaceId, t.createdAt, t.id),
    index("jobs_running").on(t.workspaceId, t.status),
    index("jobs_stalled").on(t.status, t.updatedAt),
  ],
);

/** Files of a job in one status, and what their chunks cost. */
export interface JobFileCount {
  status: JobFileStatus;
  files: number;
  chunks: number;
  embedded: number;
  reused: number;
  tokens: number;
}

export type JobFileStatus = "pending" | "indexed" | "unchanged" | "deleted" | "skipped" | "failed";

/** One row for each file of a job: counts are computed from these, so a message delivered twice counts once. */
export const jobFiles = sqliteTable(
  "job_files",
  {
    jobId: text("job_id").notNull(),
    path: text().notNull(),
    generation: integer().notNull(),
    status: text().$type<JobFileStatus>().notNull(),
    reason: text(),
    message: text(),
    chunks: integer().notNull().default(0),
    embedded: integer().notNull().default(0),
    reused: integer().notNull().default(0),
    tokens: integer().notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.path] }), index("job_files_status").on(t.jobId, t.status)],
);

/** Plans of `POST /v1/syncs`. */
export const syncs = sqliteTable(
  "syncs",
  {
    id: text().primaryKey(),
    workspaceId: text("workspace_id").notNull(),
    /** Of the key that planned it: nobody else uploads to it or commits it. */
    bucketId: text("bucket_id").notNull(),
    /** What it is of; null is the workspace. */
    path: text(),
    /** The workspace's when it was planned: what came later is left alone. */
    generation: integer().notNull(),
    /** Files stored below `path` when it was planned. */
    storedFiles: integer("stored_files").notNull(),
    unchanged: integer().notNull(),
    uploads: integer().notNull(),
    renames: integer().notNull(),
    copies: integer().notNull().default(0),
    missing: integer().notNull(),
    useDefaultIgnores: integer("use_default_ignores", { mode: "boolean" }).notNull(),
    /** The id that its job has once there is something to do. */
    jobId: text("job_id").notNull(),
    deleteMissing: integer("delete_missing", { mode: "boolean" }),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    committedAt: integer("committed_at"),
  },
  (t) => [index("syncs_expires").on(t.expiresAt), index("syncs_job").on(t.jobId)],
);

export type SyncFileKind = "upload" | "rename" | "copy" | "delete";
/**
 * `planned`; `uploaded`: charged to the plan; `moved`: renamed, the old path still in the index; `done`, or left alone
 * because something newer came.
 */
export type SyncFileState = "planned" | "uploaded" | "moved" | "done";

/** What a plan is to do, a row a file; nothing for files that stay as they are. */
export const syncFiles = sqliteTable(
  "sync_files",
  {
    syncId: text("sync_id").notNull(),
    workspaceId: text("workspace_id").notNull(),
    path: text().notNull(),
    kind: text().$type<SyncFileKind>().notNull(),
    state: text().$type<SyncFileState>().notNull(),
    fromPath: text("from_path"),
    sha256: text(),
    size: integer().notNull(),
    /** That its move took. */
    generation: integer(),
  },
  (t) => [
    primaryKey({ columns: [t.syncId, t.path] }),
    index("sync_files_state").on(t.syncId, t.kind, t.state, t.path),
    index("sync_files_workspace").on(t.workspaceId),
  ],
);

/** First answers kept for `Idempotency-Key`. */
export const idempotency = sqliteTable(
  "idempotency",
  {
    /** SHA-256 of workspace, key, route and the caller's key. */
    id: text().primaryKey(),
    workspaceId: text("workspace_id").notNull(),
    /** SHA-256 of the request. */
    requestDigest: text("request_digest").notNull(),
    /** Null while the first request is still running. */
    status: integer(),
    headers: text({ mode: "json" }).$type<Record<string, string>>(),
    body: text(),
    /** Whether the answer quotes what files hold: then it goes with any deletion of files. */
    quotes: integer({ mode: "boolean" }).notNull().default(false),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    index("idempotency_created").on(t.createdAt),
    index("idempotency_quotes").on(t.workspaceId).where(sql`quotes = 1`),
  ],
);

/** Aggregated per type, subject and minute; see `audit/event.ts`. */
export const securityEvents = sqliteTable(
  "security_events",
  {
    id: text().primaryKey(),
    /** Null for events that no workspace owns. */
    workspaceId: text("workspace_id"),
    type: text().notNull(),
    at: integer().notNull(),
    count: integer().notNull().default(1),
    ip: text(),
    route: text(),
    keyId: text("key_id"),
    requestId: text("request_id"),
    detail: text({ mode: "json" }).$type<Record<string, string | number | boolean>>(),
  },
  (t) => [
    index("security_events_workspace").on(t.workspaceId, t.id),
    index("security_events_at").on(t.at),
    index("security_events_type").on(t.type, t.id),
  ],
);

/** Networks (IPv4 /24, IPv6 /48) that a key was used from, so that a new one can be told. */
export const keyNetworks = sqliteTable(
  "key_networks",
  {
    /** The key's bucket, which its tokens and rotated successors share; `root` for the root key. */
    bucketId: text("bucket_id").notNull(),
    network: text().notNull(),
    /** Null for the root key. */
    workspaceId: text("workspace_id"),
    firstAt: integer("first_at").notNull(),
    lastAt: integer("last_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.bucketId, t.network] }), index("key_networks_last").on(t.lastAt)],
);

/** Facts that a person attests or that the cron measures: name → time and detail. Read by the checklist. */
export const attestations = sqliteTable("attestations", {
  name: text().primaryKey(),
  at: integer().notNull(),
  detail: text(),
});

/** The ledger: what each key used on each day (UTC). Amounts are added, behind the answers that they are of. */
export const usage = sqliteTable(
  "usage",
  {
    workspaceId: text("workspace_id").notNull(),
    /** Empty for work that no key asked for. */
    keyId: text("key_id").notNull(),
    /** `2026-11-24` */
    day: text().notNull(),
    requests: integer().notNull().default(0),
    embeddingTokens: integer("embedding_tokens").notNull().default(0),
    chatInputTokens: integer("chat_input_tokens").notNull().default(0),
    chatOutputTokens: integer("chat_output_tokens").notNull().default(0),
    /** Bytes of files stored on that day. */
    bytesStored: integer("bytes_stored").notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.day, t.keyId] }), index("usage_day").on(t.day)],
);

/** Answers of the whole deployment since its beginning, for `/metrics`: a row a route and class of status. */
export const requestCounts = sqliteTable(
  "request_counts",
  {
    /** `none`: no route matched. */
    route: text().notNull(),
    statusClass: text("status_class").notNull(),
    count: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.route, t.statusClass] })],
);

/** What users said of results. The place is kept with it: the chunk's id ends with its next change. */
export const feedback = sqliteTable(
  "feedback",
  {
    /** Sorts by time. */
    id: text().primaryKey(),
    workspaceId: text("workspace_id").notNull(),
    chunkId: text("chunk_id").notNull(),
    path: text().notNull(),
    startLine: integer("start_line").notNull(),
    endLine: integer("end_line").notNull(),
    query: text().notNull(),
    rating: text().$type<"up" | "down">().notNull(),
    comment: text(),
    keyId: text("key_id").notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    index("feedback_workspace").on(t.workspaceId, t.id),
    index("feedback_chunk").on(t.workspaceId, t.chunkId, t.id),
  ],
);

export type BackupStatus = "running" | "succeeded" | "failed";

/** Rows and bytes of a backup, or of a part of it. `rows`: table → rows. */
export interface BackupCounts {
  rows: Record<string, number>;
  blobs: number;
  blobBytes: number;
  vectors: number;
  /** Backup → blobs that are read from its archive; absent where the backup refers to none. */
  referred?: Record<string, number> | undefined;
}

/** Where the next part of a backup begins: `after` is the last row of `table` that was written. */
export interface BackupCursor {
  table: string;
  after: (string | number)[] | null;
}

export const backups = sqliteTable(
  "backups",
  {
    /** Sorts by time. */
    id: text().primaryKey(),
    jobId: text("job_id").notNull(),
    status: text().$type<BackupStatus>().notNull(),
    recipients: text({ mode: "json" }).$type<string[]>().notNull(),
    /** Backups whose blobs are referred to, not copied: the last whole one and those after it. Null: it is whole. */
    base: text({ mode: "json" }).$type<string[]>(),
    /** Null once the last row is written. */
    cursor: text({ mode: "json" }).$type<BackupCursor>(),
    /** Parts that are written and verified. */
    parts: integer().notNull().default(0),
    /** Of the whole archive; null until it is complete. */
    bytes: integer(),
    counts: text({ mode: "json" }).$type<BackupCounts>(),
    /** SHA-256 of `manifest.json`. */
    manifestSha256: text("manifest_sha256"),
    error: text(),
    createdAt: integer("created_at").notNull(),
    finishedAt: integer("finished_at"),
  },
  (t) => [index("backups_job").on(t.jobId), index("backups_status").on(t.status, t.id)],
);

/** Numbered parts of a backup, each an R2 object. */
export const backupParts = sqliteTable(
  "backup_parts",
  {
    backupId: text("backup_id").notNull(),
    /** From 1. */
    part: integer().notNull(),
    key: text().notNull(),
    /** Of the encrypted bytes. */
    bytes: integer().notNull(),
    sha256: text().notNull(),
    /** Of the tar within. */
    plainBytes: integer("plain_bytes").notNull(),
    plainSha256: text("plain_sha256").notNull(),
    counts: text({ mode: "json" }).$type<BackupCounts>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.backupId, t.part] })],
);

export const restores = sqliteTable(
  "restores",
  {
    id: text().primaryKey(),
    /** Set once all parts are there and the work began. */
    jobId: text("job_id"),
    status: text().$type<"receiving" | BackupStatus>().notNull(),
    /** SHA-256 of the archive's manifest: the same archive goes on where it stood. */
    manifestSha256: text("manifest_sha256").notNull().unique(),
    /** Parts that are restored. */
    parts: integer().notNull().default(0),
    counts: text({ mode: "json" }).$type<BackupCounts>().notNull(),
    error: text(),
    createdAt: integer("created_at").notNull(),
    finishedAt: integer("finished_at"),
  },
  (t) => [index("restores_job").on(t.jobId)],
);
