import type { Logger } from "../core/log.ts";
import type { Embedder, MessageQueue, VectorStore, WorkspaceIndex } from "../core/ports.ts";
import type { SecurityEvents } from "../core/security-event.ts";
import type { Database } from "../db/database.ts";
import type { SyntaxParsers } from "./syntax/parsers.ts";

/** What indexing needs of the outside. */
export interface IndexingDeps {
  db: Database;
  blobs: R2Bucket;
  queue: MessageQueue;
  /** Names the vectors; what is embedded for a workspace is paid for by `embedderFor`. */
  embedder: Embedder;
  embedderFor(workspaceId: string, monthlyTokens: number | null, keyId?: string | null): Embedder;
  /** Tokens of one input that the embedding model reads. */
  embeddingMaxTokens: number;
  /** Cuts files by their syntax. */
  syntax: SyntaxParsers;
  vectors: VectorStore;
  /** Calls of consumers to the vector store at once, for each workspace. */
  vectorCalls: number;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  log: Logger;
  events: SecurityEvents;
  /** Milliseconds since the epoch. */
  now(): number;
}
