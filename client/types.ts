/**
 * The wire forms of the API, as clients read them. `test/unit/client/types.test.ts` holds them against the schemas that
 * the server validates and documents with. Times are RFC 3339; lines count from 1; money is in millionths of a dollar.
 */

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type JobStatus = "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

export interface Job {
  id: string;
  kind: string;
  status: JobStatus;
  files: { total: number; done: number; unchanged: number; skipped: number; failed: number };
  chunks: { total: number; embedded: number; reused: number };
  tokens: number;
  error_count: number;
  error: string | null;
  paused_for: string | null;
  receipt?: Record<string, number | string> | undefined;
  created_at: string;
  started_at: string | null;
  updated_at: string;
  finished_at: string | null;
  eta_seconds: number | null;
}

export interface JobFile {
  path: string;
  status: string;
  reason: string | null;
  message: string | null;
}

export interface StoredFile {
  path: string;
  size: number;
  sha256: string;
  language: string;
  status: "pending" | "indexed" | "skipped" | "failed";
  skip_reason: string | null;
  error: string | null;
  chunks: number;
  updated_at: string;
  indexed_at: string | null;
}

export interface CodeSymbol {
  name: string;
  kind: string;
  parent: string | null;
  start_line: number;
  end_line: number;
}

export interface FileInfo extends StoredFile {
  symbols: CodeSymbol[];
  chunked_by: "syntax" | "lines" | null;
}

export type SearchMode = "hybrid" | "semantic" | "lexical" | "regex" | "symbol";

export interface SearchRequest {
  query: string;
  mode?: SearchMode;
  limit?: number;
  path?: string;
  languages?: string[];
  extensions?: string[];
  kinds?: string[];
  min_score?: number;
  max_tokens?: number;
  case_sensitive?: boolean;
  multiline?: boolean;
  cursor?: string;
}

export interface SimilarRequest {
  code: string;
  language?: string;
  limit?: number;
  path?: string;
  languages?: string[];
  min_score?: number;
}

export interface SearchHit {
  chunk_id: string;
  path: string;
  start_line: number;
  end_line: number;
  language: string;
  kind: string;
  symbol: string | null;
  parent: string | null;
  /** 0..1, higher is better. */
  score: number;
  ranks: { vector: number | null; lexical: number | null };
  text: string;
  /** Half-open, in UTF-16 units of `text`. */
  highlights: { start: number; end: number }[];
}

export interface SearchAnswer {
  query: string;
  mode: SearchMode;
  results: SearchHit[];
  next_cursor: string | null;
  truncated: boolean;
  index: { files: number; pending_files: number; updated_at: string | null };
  degraded?: string[] | undefined;
  took_ms: number;
}

export interface Stats {
  files: number;
  chunks: number;
  vectors: number;
  bytes: number;
  languages: Record<string, number>;
  embedding: { model: string; dimensions: number };
  last_indexed_at: string | null;
  pending_files: number;
}

export interface Whoami {
  workspace: { id: string; name: string } | null;
  key_id: string;
  kind: "api_key" | "jwt" | "root";
  scopes: string[];
  expires_at: string | null;
  limits: Record<string, { requests: number; window_seconds: number }>;
}

export interface Key {
  id: string;
  prefix: string;
  name: string;
  scopes: string[];
  limits: Record<string, { requests: number; window_seconds: number }>;
  created_by: string | null;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface CreatedKey extends Key {
  /** Shown once; null where an idempotent request is repeated. */
  key: string | null;
}

export interface SecurityEvent {
  id: string;
  type: string;
  at: string;
  count: number;
  ip: string | null;
  route: string | null;
  key_id: string | null;
  request_id: string | null;
  detail: Record<string, string | number | boolean>;
}

export interface ChecklistItem {
  id: string;
  title: string;
  status: "pass" | "warn" | "fail" | "unknown";
  detail: string;
}

export interface SyncFile {
  path: string;
  sha256: string;
  size: number;
}

export interface SyncPlan {
  id: string;
  upload: string[];
  upload_count: number;
  unchanged: number;
  renamed: { from: string; to: string }[];
  copied: { from: string; to: string }[];
  missing: string[];
  skipped: { path: string; reason: string }[];
  estimate: { files: number; bytes: number; chunks: number; tokens: number; cost_microusd: number };
  expires_at: string;
}

export interface Source {
  n: number;
  chunk_id: string;
  path: string;
  start_line: number;
  end_line: number;
}

export interface Citation {
  n: number;
  path: string;
  start_line: number;
  end_line: number;
}

export interface AskRequest {
  question: string;
  messages?: { role: "user" | "assistant"; content: string }[];
  path?: string;
  context_files?: string[];
  limit?: number;
  max_output_tokens?: number;
}

export interface Answer {
  answer: string;
  citations: Citation[];
  dropped_citations: number;
  sources: Source[];
  model: string;
}

export interface Usage {
  key_id?: string | undefined;
  day?: string | undefined;
  requests: number;
  embedding_tokens: number;
  chat_input_tokens: number;
  chat_output_tokens: number;
  bytes_stored: number;
  cost_microusd: number;
}

export interface Backup {
  id: string;
  status: "running" | "succeeded" | "failed";
  parts: number;
  bytes: number | null;
  refers_to: string[];
  counts: {
    rows: Record<string, number>;
    blobs: number;
    blob_bytes: number;
    referred: number;
    vectors: number;
  } | null;
  error: string | null;
  created_at: string;
}

export interface Restore {
  id: string;
  status: "receiving" | "running" | "succeeded" | "failed";
  received: number[];
  error: string | null;
}
