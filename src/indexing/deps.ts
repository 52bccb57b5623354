import type { EmbeddingIdentity } from "../core/embedding-identity.ts";
import type { Lane } from "../core/lane.ts";
import type { Logger } from "../core/log.ts";
import type { Embedder, EmbedderFor, MessageQueue, VectorStore, WorkspaceIndex } from "../core/ports.ts";
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
  embedderFor: EmbedderFor;
  /** The model that is being left for the embedder's. */
  previousEmbedding: EmbeddingIdentity | null;
  /** Tokens of one input that the embedding model reads. */
  embeddingMaxTokens: number;
  /** Cuts files by their syntax. */
  syntax: Pick<SyntaxParsers, "forMessage">;
  /** Files are cut group by group, so that the first is on its way before the last is cut. */
  cutting: Lane;
  vectors: VectorStore;
  /** Calls of consumers to the vector store at once, for each workspace. */
  vectorCalls: number;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  log: Logger;
  events: SecurityEvents;
  /** Milliseconds since the epoch. */
  now(): number;
}
