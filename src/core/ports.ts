import type { Chunk, ChunkedBy, ChunkKind, Definition } from "./chunk.ts";
import type { EmbeddingIdentity } from "./embedding-identity.ts";

/**
 * Turns text into vectors.
 * Errors: `upstream_unavailable` when retries are spent (a `PaidCallError` where it is known what was charged),
 * `budget_exhausted` before a call that is not paid for.
 */
export interface Embedder {
  /** Name and length of the vectors: two collections with the same identity may be mixed, others never. */
  readonly model: string;
  readonly dimensions: number;
  /** One unit-length vector for each text, in order. Batching, retries and time-outs are inside. */
  embed(texts: string[], signal?: AbortSignal): Promise<Embeddings>;
}

/**
 * The embedder as a workspace pays for it.
 * @param monthlyTokens its budget; null: none. @param model the configured one where it is left out.
 */
export type EmbedderFor = (
  workspaceId: string,
  monthlyTokens: number | null,
  keyId?: string | null,
  model?: EmbeddingIdentity,
) => Embedder;

export interface Embeddings {
  vectors: Vector[];
  /** Tokens that the provider counted. */
  tokens: number;
}

/** The numbers of a vector: `Float32Array` wherever there are many. */
export type Vector = ArrayLike<number>;

/** A vector and the metadata that searches filter by (equality only). */
export interface VectorRecord {
  id: string;
  vector: Vector;
  metadata: Record<string, string | number | boolean>;
}

/** A filter that Chroma can do exactly: all conditions hold; within one, any of the values. */
export interface VectorFilter {
  key: string;
  anyOf: (string | number)[];
}

export interface VectorHit {
  id: string;
  /** Cosine distance, 0..2; lower is better. */
  distance: number;
}

/** One collection of vectors for each workspace and embedding model. Errors: `upstream_unavailable`. */
export interface VectorStore {
  /** Finds or creates the collection; returns its id, which all other calls take. */
  openCollection(name: string, metadata: Record<string, string | number>): Promise<string>;
  /** Null where no collection has that name. */
  findCollection(name: string): Promise<string | null>;
  deleteCollection(name: string): Promise<void>;
  /** Idempotent by id. Splits into the batches that the server takes. */
  upsert(collectionId: string, records: VectorRecord[]): Promise<void>;
  delete(collectionId: string, ids: string[]): Promise<void>;
  /** Nearest first. One request; `signal` ends the wait, as `upstream_unavailable`. */
  query(
    collectionId: string,
    vector: Vector,
    limit: number,
    filters: VectorFilter[],
    signal?: AbortSignal,
  ): Promise<VectorHit[]>;
  /** The vectors of those ids that exist. */
  get(collectionId: string, ids: string[]): Promise<Map<string, Vector>>;
  /** Those of the ids that exist. */
  existing(collectionId: string, ids: string[]): Promise<Set<string>>;
  /** Ids in the collection, a page at a time. */
  list(collectionId: string, offset: number, limit: number): Promise<string[]>;
  count(collectionId: string): Promise<number>;
  /** A cheap liveness probe. */
  ping(): Promise<void>;
}

// -------------------------------------------------------------------------------------- chat model

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatRequest {
  messages: ChatMessage[];
  /** Tokens of the messages at most, as they are set aside before the call. */
  mostInputTokens: number;
  maxOutputTokens: number;
}

export interface ChatUsage {
  inputTokens: number;
  outputTokens: number;
}

export interface ChatEnd {
  /** What the provider counted; null where it says nothing. */
  usage: ChatUsage | null;
  /** `length`: cut off at `maxOutputTokens`; `filtered`: the provider withheld the rest. */
  finish: "stop" | "length" | "filtered";
}

/**
 * Writes answers.
 * Errors: `upstream_unavailable` (a `PaidCallError` where it is known what was charged), `upstream_key_rejected` where
 * the caller's own key was refused, `budget_exhausted` before a call that is not paid for.
 */
export interface ChatModel {
  readonly model: string;
  /**
   * The answer as it is written, and how it ended. The first part is always empty: it says that the call is paid for
   * and about to be made. Attempts are repeated until the first word, never after it. Ends when the signal does.
   */
  stream(request: ChatRequest, signal: AbortSignal): AsyncGenerator<string, ChatEnd>;
}

// ---------------------------------------------------------------------------------- WorkspaceIndex

/** A chunk that the consumer wants a file to have; `embedHash` identifies model and embedded text. */
export interface PlannedChunk {
  embedHash: string;
}

export interface FileToPlan {
  path: string;
  generation: number;
  chunks: PlannedChunk[];
}

/**
 * What is to be done for one file.
 * `stale`: a newer generation (or a deletion) has been seen; nothing is to be done.
 * `write`: for each chunk, in order, its id and where its vector comes from.
 */
export type FilePlan =
  | { path: string; outcome: "stale" }
  | {
      path: string;
      outcome: "write";
      /** Generation that the plan was made against; `commit` refuses when it has moved on. */
      baseGeneration: number;
      chunks: PlannedWrite[];
    };

export interface PlannedWrite {
  id: string;
  /** `kept`: the vector stands in the collection under this id. `copy`: take it from `donorId`. `embed`: pay for it. */
  vector: "kept" | "copy" | "embed";
  donorId?: string;
}

export interface FileToCommit {
  path: string;
  generation: number;
  baseGeneration: number;
  language: string;
  /** How the file was cut; null or absent where nobody says. */
  chunkedBy?: ChunkedBy | null;
  chunks: CommittedChunk[];
}

export interface CommittedChunk extends Chunk {
  id: string;
  embedHash: string;
}

export type FileCommit =
  /** Committed (or already so). `obsolete` vectors are to be deleted, then settled. */
  | { path: string; outcome: "committed"; obsolete: string[] }
  /** A newer generation won: `obsolete` holds the vectors written in vain. */
  | { path: string; outcome: "stale"; obsolete: string[] }
  /** The base moved on since the plan: plan again. */
  | { path: string; outcome: "conflict" };

export interface StoredChunk extends Omit<Chunk, "definitions"> {
  /** Names of the definitions that begin in it; left out where nobody asked. */
  names?: readonly string[];
  id: string;
  path: string;
  language: string;
}

/** Lines of a file, 1-based and inclusive. */
export interface FileRange {
  path: string;
  startLine: number;
  endLine: number;
}

/** Restricts a search to files and chunks; empty arrays do not restrict. `path` selects a file or a folder. */
export interface ChunkFilter {
  path: string | null;
  languages: string[];
  extensions: string[];
  kinds: ChunkKind[];
}

export interface LexicalHit {
  id: string;
  path: string;
  /** BM25, turned so that higher is better; comparable within one answer only. */
  bm25: number;
}

/** How the name that was asked for and the symbol agree. */
export interface SymbolHit {
  id: string;
  path: string;
  match: "exact" | "other_case" | "prefix" | "humps";
  /** UTF-16 units of the symbol's name. */
  length: number;
}

/** What a search asks of the index, in one call. */
export interface IndexQuery {
  /** An FTS5 expression with every term quoted (see `lexical-query.ts`), or null: no lexical leg. */
  match: string | null;
  /**
   * What `match` is a disjunction of, each quoted, with its stem of `terms`, or null for a phrase: common ones need not
   * be scored where rare ones fill the places. Empty where `match` asks for more than one of them.
   */
  alternatives: { match: string; stem: string | null }[];
  /** Stems of what `match` looks for, whose rarity is to be told. */
  terms: string[];
  symbol: { name: string; parent: string | null } | null;
  /** An FTS5 expression: chunks that it matches do not come with the hits. `match` leaves them out by itself. */
  exclude: string | null;
  filter: ChunkFilter;
  /** Hits at most. */
  limit: number;
  /** So many of the first hits come with their chunks. */
  texts: number;
}

export interface IndexAnswer {
  lexical: LexicalHit[];
  /** Inverse document frequency of each of the query's terms, in their order; 0 where nothing was found. */
  rarity: number[];
  symbols: SymbolHit[];
  chunks: StoredChunk[];
  /** Totals of the workspace. */
  files: number;
  updatedAtMs: number | null;
}

/** A chunk's place in the order of paths and, within a file, of lines. */
export interface ChunkPlace {
  path: string;
  ordinal: number;
}

/** What a scan of texts asks for, a page at a time. */
export interface IndexScan {
  /** An FTS5 expression over trigrams of folded text (see `pattern-trigrams.ts`); null: every chunk. */
  match: string | null;
  filter: ChunkFilter;
  /** Goes on behind this chunk. */
  after: ChunkPlace | null;
  /** UTF-16 units of a page: one chunk may exceed them. */
  characters: number;
}

export type ScannedChunk = StoredChunk & ChunkPlace;

export interface ScanPage {
  /** By path and place in the file. */
  chunks: ScannedChunk[];
  more: boolean;
  files: number;
  updatedAtMs: number | null;
}

export interface IndexStats {
  files: number;
  chunks: number;
  languages: Record<string, number>;
  /** Milliseconds since the epoch of the newest commit or removal, or null. */
  updatedAtMs: number | null;
}

export interface FileSymbols {
  chunkedBy: "syntax" | "lines" | null;
  /** By line, the outer before the inner. */
  symbols: Definition[];
}

/** A chunk as its vector is stored: id, the hash of model and text, and what its metadata is made of. */
export interface IndexedVector {
  path: string;
  id: string;
  embedHash: string;
  language: string;
  kind: ChunkKind;
}

/** What the index holds of one file: its generation, and the ids of the chunks that stand. */
export interface FileHolding {
  path: string;
  generation: number;
  ids: string[];
}

/**
 * What a workspace does at once, over all consumers. `messages`: messages of the queue that are worked on;
 * `vectors`: calls to the vector store.
 */
export interface LeaseRequest {
  pool: "messages" | "vectors";
  /** Leases of the pool at once. */
  capacity: number;
  /** Of those, how many only small jobs take; one is always left for the others. */
  reserved: number;
  /** Whether it is for a small job, which goes before the others. */
  small: boolean;
  /** How long to wait for one; 0: not at all. */
  waitMs: number;
  /** After which it ends by itself. */
  ttlMs: number;
}

/**
 * The single writer of a workspace's derived state, one Durable Object for each workspace.
 * It refuses a generation older than one that it has seen, deletions included, and remembers each vector
 * that was promised or condemned until the vector store has it so (`settle`).
 */
export interface WorkspaceIndex {
  plan(files: FileToPlan[]): Promise<FilePlan[]>;
  commit(files: FileToCommit[]): Promise<FileCommit[]>;
  /** Removes files, and remembers the generation so that late writers are refused. Returns condemned vectors. */
  remove(files: { path: string; generation: number }[]): Promise<{ chunks: number; obsolete: string[] }>;
  /** The vector store no longer holds these ids. */
  settle(ids: string[]): Promise<void>;
  /**
   * Vectors promised or condemned before the time that were never settled: work for repair. Promises among them are
   * condemned, so that the store may be rid of them: a writer as slow as that finds a conflict and plans again.
   */
  unsettled(beforeMs: number, limit: number): Promise<string[]>;
  /** `match` is an FTS5 expression with every term quoted (see `lexical-query.ts`). */
  lexical(match: string, filter: ChunkFilter, limit: number): Promise<LexicalHit[]>;
  /**
   * Chunks in which a definition begins whose name is the one given, or begins with it, in any case; where a `parent`
   * is given, only what stands directly within one of that name. The filter's kinds are those of the definition.
   * Exact names first, then other cases, then prefixes by length.
   */
  findSymbols(name: string, parent: string | null, filter: ChunkFilter, limit: number): Promise<SymbolHit[]>;
  /** Both kinds of hits as `lexical` and `findSymbols` give them, with chunks and totals. */
  find(query: IndexQuery): Promise<IndexAnswer>;
  /** Chunks whose text may match a pattern: a superset of those that do. */
  scan(scan: IndexScan): Promise<ScanPage>;
  /**
   * Chunks by id, in the order asked for; unknown ids are left out, and those that `exclude` (an FTS5 expression)
   * matches.
   */
  chunks(ids: string[], exclude?: string | null): Promise<StoredChunk[]>;
  /** For each range, the chunks that hold a line of it, by line; at most `limit` each. */
  fileChunks(ranges: FileRange[], limit: number): Promise<StoredChunk[][]>;
  symbols(path: string): Promise<FileSymbols>;
  /** Every chunk of the paths with the identity of its vector: what a backup writes vectors by. */
  fileVectors(paths: string[]): Promise<IndexedVector[]>;
  /** What stands of each of the paths, as counted now; absent paths are left out. */
  holdings(paths: string[]): Promise<FileHolding[]>;
  /** Files of which any chunk stands, by path: so many after the one given. */
  heldFiles(afterPath: string, limit: number): Promise<{ path: string; generation: number }[]>;
  /**
   * Those of the ids that no chunk has, and that are neither promised nor condemned: vectors of nobody. They are
   * condemned, to be deleted and settled.
   */
  disown(ids: string[]): Promise<string[]>;
  stats(): Promise<IndexStats>;
  /** A lease's id, or null where none came free within the wait. */
  acquire(request: LeaseRequest): Promise<string | null>;
  release(lease: string): Promise<void>;
  /** Forgets everything: the last step of deleting a workspace. */
  clear(): Promise<void>;
}

// ------------------------------------------------------------------------------------------- queue

/**
 * Messages of the queues `indexing` and, with `bulk`, `indexing-bulk`: those of large jobs, which small ones do not
 * wait behind. At most 128 KB each by construction.
 */
export type IndexingMessage = { bulk?: true | undefined } & IndexingWork;

export type IndexingWork =
  /** Index these files if their generation still stands. */
  | { kind: "index"; workspaceId: string; jobId: string; files: { path: string; generation: number }[] }
  /** Turn the job's selection of stored files into `index` messages, a page at a time. */
  | { kind: "expand"; workspaceId: string; jobId: string; afterPath: string }
  /**
   * The end of a job that mends: looks for what belongs to no file, a page at a time. `after`: where the step goes on;
   * `owned`: blobs so far that a file owns.
   */
  | {
      kind: "sweep";
      workspaceId: string;
      jobId: string;
      step: SweepStep;
      after: string;
      owned?: number | undefined;
    }
  /** Unpack a spooled archive into files, then index them. */
  | { kind: "archive"; workspaceId: string; jobId: string }
  /** Carry out a committed sync. `looked`: its files took longer to index than is waited for within a message. */
  | { kind: "sync"; workspaceId: string; jobId: string; looked?: boolean | undefined }
  /** Delete the files that the job selects. */
  | { kind: "delete"; workspaceId: string; jobId: string }
  | { kind: "export"; workspaceId: string; jobId: string }
  /** Erase a workspace that is marked as deleted. */
  | { kind: "delete_workspace"; workspaceId: string; jobId: string }
  /** Write a part of a backup, or restore one. Without `part`: the next, wherever the work stands. */
  | { kind: "backup" | "restore"; workspaceId: string; jobId: string; part?: number | undefined };

/**
 * In this order: chunks of files that are gone; vectors of no chunk; blobs of no file; and, only where their number
 * says that some lack, files whose content is gone.
 */
export type SweepStep = "chunks" | "vectors" | "blobs" | "contents";

export interface MessageQueue {
  /** @param delaySeconds before the messages are delivered: 0 where it is left out. */
  send(messages: IndexingMessage[], delaySeconds?: number): Promise<void>;
}
