import { eventsOf, followEvents } from "./events.ts";
import { type ClientOptions, Transport } from "./transport.ts";
import type {
  Answer,
  AskRequest,
  Backup,
  ChecklistItem,
  CreatedKey,
  FileInfo,
  Job,
  JobFile,
  Key,
  Page,
  Restore,
  SearchAnswer,
  SearchRequest,
  SecurityEvent,
  SimilarRequest,
  Source,
  Stats,
  StoredFile,
  SyncFile,
  SyncPlan,
  Usage,
  Whoami,
} from "./types.ts";

type Signal = AbortSignal | undefined;
type JobAnswer = { job: Job };
type JobOrNull = { job: Job | null };
type ListQuery = { limit?: number; cursor?: string | undefined };

/** What an answer in progress tells: its sources, then its text piece by piece, at last the whole with citations. */
export type AnswerEvent =
  | { name: "sources"; sources: Source[] }
  | { name: "delta"; text: string }
  | { name: "done"; answer: Answer };

/**
 * DevFlow's REST API, call by call, on web standards alone: the command line, the page and the tests use it.
 * Errors: `ApiError` for a refusal, `ConnectionError` where nobody answers.
 */
export class DevFlowClient {
  readonly transport: Transport;

  constructor(options: ClientOptions) {
    this.transport = new Transport(options);
  }

  get url(): string {
    return this.transport.url;
  }

  health = (signal?: Signal) =>
    this.#get<{ status: string; version: string; time: string }>("/health", {}, signal);
  whoami = (signal?: Signal) => this.#get<Whoami>("/v1/auth/whoami", {}, signal);
  token = (request: { scope?: string; expires_in?: number }, signal?: Signal) =>
    this.#post<{ access_token: string; expires_in: number; scope: string }>(
      "/v1/auth/token",
      request,
      signal,
    );

  search = (request: SearchRequest, signal?: Signal) =>
    this.#post<SearchAnswer>("/v1/search", request, signal, true);
  similar = (request: SimilarRequest, signal?: Signal) =>
    this.#post<SearchAnswer>("/v1/similar", request, signal, true);
  feedback = (request: { chunk_id: string; query: string; rating: "up" | "down"; comment?: string }) =>
    this.#post<unknown>("/v1/feedback", request);
  stats = (signal?: Signal) => this.#get<Stats>("/v1/stats", {}, signal);

  files = (query: { path?: string | undefined } & ListQuery = {}, signal?: Signal) =>
    this.#get<Page<StoredFile>>("/v1/files", query, signal);
  fileInfo = (path: string, signal?: Signal) => this.#get<FileInfo>("/v1/files/info", { path }, signal);
  async fileText(
    path: string,
    lines: { start?: number; end?: number } = {},
    signal?: Signal,
  ): Promise<string> {
    const query = { path, start_line: lines.start, end_line: lines.end };
    return (await this.transport.send("GET", "/v1/files/content", { query, signal })).text();
  }
  putFile = (path: string, raw: BodyInit, signal?: Signal) =>
    this.transport.json<{ file: StoredFile; job: Job | null }>("PUT", "/v1/files", {
      query: { path },
      raw,
      signal,
    });
  deleteFiles = (
    target: { path: string; recursive?: boolean } | { all: true; confirm: string },
    signal?: Signal,
  ) => this.#post<{ deleted: Record<string, number> } | JobAnswer>("/v1/files/delete", target, signal);
  reindex = (request: Record<string, unknown> = {}, signal?: Signal) =>
    this.#post<JobOrNull>("/v1/index", request, signal);

  /** Many files in one request (1,000 files, 32 MiB at most). A repeated part is unchanged, so it may be sent twice. */
  uploadFiles(
    files: readonly { path: string; content: Blob | string | Uint8Array<ArrayBuffer> }[],
    options: { sync?: string; folder?: string; signal?: Signal } = {},
  ): Promise<JobOrNull> {
    const form = new FormData();
    for (const { path, content } of files) form.append("files", new Blob([content]), path);
    return this.transport.json<JobOrNull>("POST", "/v1/files", {
      query: { path: options.folder },
      raw: form,
      headers: options.sync === undefined ? {} : { "sync-id": options.sync },
      repeatable: true,
      signal: options.signal,
    });
  }
  uploadArchive = (
    archive: Blob,
    type: "application/zip" | "application/gzip",
    query: { path?: string; allow_secrets?: boolean; use_default_ignores?: boolean } = {},
    signal?: Signal,
  ) =>
    this.transport.json<JobAnswer>("POST", "/v1/files", {
      query,
      raw: archive,
      headers: { "content-type": type },
      signal,
    });

  planSync = (
    request: { path?: string | undefined; files: readonly SyncFile[]; use_default_ignores?: boolean },
    signal?: Signal,
  ) => this.#post<SyncPlan>("/v1/syncs", request, signal, true);
  commitSync = (
    id: string,
    request: { delete_missing?: boolean; allow_mass_delete?: boolean },
    signal?: Signal,
  ) => this.#post<JobOrNull>(`/v1/syncs/${encodeURIComponent(id)}/commit`, request, signal, true);

  jobs = (query: ListQuery = {}, signal?: Signal) => this.#get<Page<Job>>("/v1/jobs", query, signal);
  job = (id: string, signal?: Signal) => this.#get<Job>(`/v1/jobs/${encodeURIComponent(id)}`, {}, signal);
  jobFiles = (id: string, query: { status?: string } & ListQuery = {}, signal?: Signal) =>
    this.#get<Page<JobFile>>(`/v1/jobs/${encodeURIComponent(id)}/files`, query, signal);
  cancelJob = (id: string) => this.#post<Job>(`/v1/jobs/${encodeURIComponent(id)}/cancel`, {});
  retryJob = (id: string) => this.#post<Job>(`/v1/jobs/${encodeURIComponent(id)}/retry`, {});
  /** The job each time it moves, until it is over; the last one is its end. */
  async *followJob(id: string, signal?: Signal): AsyncGenerator<Job> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/events`;
    for await (const { body } of followEvents(this.transport, path, { signal })) yield body as Job;
  }

  ask = (request: AskRequest, signal?: Signal) => this.#post<Answer>("/v1/ask", request, signal);
  explain = (
    request: { path: string; start_line?: number; end_line?: number } | { code: string; language?: string },
    signal?: Signal,
  ) => this.#post<Answer>("/v1/explain", request, signal);
  async *askStream(request: AskRequest, signal?: Signal): AsyncGenerator<AnswerEvent> {
    const response = await this.transport.send("POST", "/v1/ask", {
      body: { ...request, stream: true },
      signal,
    });
    for await (const { name, body } of eventsOf(response)) {
      if (name === "sources") yield { name, sources: (body as { sources: Source[] }).sources };
      else if (name === "delta") yield { name, text: (body as { text: string }).text };
      else if (name === "done") yield { name, answer: body as Answer };
    }
  }

  keys = (query: ListQuery = {}, signal?: Signal) => this.#get<Page<Key>>("/v1/keys", query, signal);
  createKey = (request: { name: string; scopes: string[]; expires_at?: string | null }) =>
    this.#post<CreatedKey>("/v1/keys", request);
  rotateKey = (id: string, graceSeconds: number) =>
    this.#post<CreatedKey>(`/v1/keys/${encodeURIComponent(id)}/rotate`, { grace_seconds: graceSeconds });
  revokeKey = (id: string) => this.transport.json<Key>("DELETE", `/v1/keys/${encodeURIComponent(id)}`);

  securityEvents = (query: { type?: string; since?: string } & ListQuery = {}, signal?: Signal) =>
    this.#get<Page<SecurityEvent>>("/v1/security_events", query, signal);
  usage = (query: { from?: string; to?: string; group_by?: "key" | "day" } = {}, signal?: Signal) =>
    this.#get<{ items: Usage[] }>("/v1/usage", query, signal);
  checklist = (signal?: Signal) => this.#get<{ items: ChecklistItem[] }>("/v1/checklist", {}, signal);

  createBackup = (options: { whole?: boolean } = {}) => this.#post<JobAnswer>("/v1/backups", options);
  backups = (query: ListQuery = {}, signal?: Signal) => this.#get<Page<Backup>>("/v1/backups", query, signal);
  backup = (id: string, signal?: Signal) =>
    this.#get<Backup>(`/v1/backups/${encodeURIComponent(id)}`, {}, signal);
  /** The encrypted file from the byte `from` on. */
  backupContent = (id: string, from: number, signal?: Signal) =>
    this.transport.send("GET", `/v1/backups/${encodeURIComponent(id)}/content`, {
      headers: from > 0 ? { range: `bytes=${from}-` } : {},
      signal,
    });
  /** Lines of JSON: what was deleted since, and until when that is known. */
  deletions = (since?: string, signal?: Signal) =>
    this.transport.send("GET", "/v1/deletions", { query: { since }, signal });
  /** @param manifest of the archive, as it is. Sent again, it gives the same restore. */
  openRestore = (manifest: unknown, signal?: Signal) =>
    this.#post<Restore>("/v1/restores", manifest, signal, true);
  /** @param sha256 of the part, in base64. */
  putRestorePart = (
    id: string,
    part: number,
    raw: Uint8Array<ArrayBuffer>,
    sha256: string,
    signal?: Signal,
  ): Promise<Response> =>
    this.transport.send("PUT", `/v1/restores/${encodeURIComponent(id)}/parts/${part}`, {
      raw,
      headers: { "content-type": "application/x-tar", "content-digest": `sha-256=:${sha256}:` },
      signal,
    });
  completeRestore = (id: string) =>
    this.#post<JobAnswer>(`/v1/restores/${encodeURIComponent(id)}/complete`, undefined, undefined, true);
  enableRestoredKeys = (id: string, workspaceId?: string) =>
    this.#post<{ enabled: number }>(
      `/v1/restores/${encodeURIComponent(id)}/enable_keys`,
      workspaceId === undefined ? {} : { workspace_id: workspaceId },
    );

  #get<T>(
    path: string,
    query: Record<string, string | number | boolean | undefined>,
    signal?: Signal,
  ): Promise<T> {
    return this.transport.json<T>("GET", path, { query, signal });
  }

  #post<T>(path: string, body: unknown, signal?: Signal, repeatable = false): Promise<T> {
    return this.transport.json<T>("POST", path, { body, signal, repeatable });
  }
}
