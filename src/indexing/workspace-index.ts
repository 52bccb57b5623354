import { DurableObject } from "cloudflare:workers";
import type {
  ChunkFilter,
  FileCommit,
  FileHolding,
  FilePlan,
  FileRange,
  FileSymbols,
  FileToCommit,
  FileToPlan,
  IndexAnswer,
  IndexedVector,
  IndexQuery,
  IndexScan,
  IndexStats,
  LeaseRequest,
  LexicalHit,
  ScanPage,
  StoredChunk,
  SymbolHit,
  WorkspaceIndex as WorkspaceIndexPort,
} from "../core/ports.ts";
import { Leases } from "./leases.ts";
import { find } from "./workspace-index-find.ts";
import { chunkDigests } from "./workspace-index-ids.ts";
import { condemnedOf, disownVectors, settleVectors, takeUnsettled } from "./workspace-index-outbox.ts";
import {
  chunksById,
  chunksOfFile,
  findLexical,
  heldFiles,
  holdingsOf,
  statsOf,
  vectorsOfFiles,
} from "./workspace-index-read.ts";
import { scanTexts } from "./workspace-index-scan.ts";
import { migrate } from "./workspace-index-schema.ts";
import { findSymbols, symbolsOf } from "./workspace-index-symbols.ts";
import { rewriteTerms } from "./workspace-index-terms.ts";
import { commitFile, planFile, removeFile } from "./workspace-index-write.ts";

/** Longer than any writer lives: a queue consumer ends after 15 minutes. */
const CLOSED_MS = 60 * 60 * 1000;
/** Chunks whose terms are written anew at once: about a second's work. */
const TERMS_SLICE = 5_000;

/** What is indexed of one workspace. Each method is one transaction; see the port for what they promise. */
export class WorkspaceIndex extends DurableObject<Env> implements WorkspaceIndexPort {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #leases = new Leases(Date.now);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#storage = ctx.storage;
    this.#sql = ctx.storage.sql;
    void ctx.blockConcurrencyWhile(async () => {
      migrate(ctx.storage);
      await this.alarm();
    });
  }

  /** Writes terms that a change of the schema left to write, a slice at a time, so that nobody waits for all of them. */
  override async alarm(): Promise<void> {
    const more = this.#storage.transactionSync(() => rewriteTerms(this.#sql, TERMS_SLICE));
    if (more) await this.#storage.setAlarm(Date.now());
  }

  async plan(files: FileToPlan[]): Promise<FilePlan[]> {
    const digests = files.map(chunkDigests);
    return this.#storage.transactionSync(() => {
      if (this.#isClosed()) return files.map(({ path }) => ({ path, outcome: "stale" }));
      return files.map((file, i) => planFile(this.#sql, file, digests[i] ?? [], Date.now()));
    });
  }

  async commit(files: FileToCommit[]): Promise<FileCommit[]> {
    return this.#storage.transactionSync(() => {
      if (this.#isClosed()) {
        return files.map(({ path, chunks }) => ({
          path,
          outcome: "stale",
          obsolete: chunks.map(({ id }) => id),
        }));
      }
      return files.map((file) => commitFile(this.#sql, file, Date.now()));
    });
  }

  async remove(
    files: { path: string; generation: number }[],
  ): Promise<{ chunks: number; obsolete: string[] }> {
    return this.#storage.transactionSync(() => {
      if (this.#isClosed()) return { chunks: 0, obsolete: [] };
      let chunks = 0;
      for (const file of files) chunks += removeFile(this.#sql, file, Date.now());
      return {
        chunks,
        obsolete: condemnedOf(
          this.#sql,
          files.map(({ path }) => path),
        ),
      };
    });
  }

  async settle(ids: string[]): Promise<void> {
    settleVectors(this.#sql, ids);
  }

  async unsettled(beforeMs: number, limit: number): Promise<string[]> {
    return this.#storage.transactionSync(() => takeUnsettled(this.#sql, beforeMs, limit));
  }

  async lexical(match: string, filter: ChunkFilter, limit: number): Promise<LexicalHit[]> {
    return findLexical(this.#sql, match, filter, limit);
  }

  async findSymbols(
    name: string,
    parent: string | null,
    filter: ChunkFilter,
    limit: number,
  ): Promise<SymbolHit[]> {
    return findSymbols(this.#sql, name, parent, filter, limit);
  }

  async find(query: IndexQuery): Promise<IndexAnswer> {
    return find(this.#sql, query);
  }

  async scan(scan: IndexScan): Promise<ScanPage> {
    return scanTexts(this.#sql, scan);
  }

  async chunks(ids: string[], exclude: string | null = null): Promise<StoredChunk[]> {
    return chunksById(this.#sql, ids, exclude);
  }

  async fileChunks(ranges: FileRange[], limit: number): Promise<StoredChunk[][]> {
    return ranges.map((range) => chunksOfFile(this.#sql, range, limit));
  }

  async symbols(path: string): Promise<FileSymbols> {
    return symbolsOf(this.#sql, path);
  }

  async fileVectors(paths: string[]): Promise<IndexedVector[]> {
    return vectorsOfFiles(this.#sql, paths);
  }

  async holdings(paths: string[]): Promise<FileHolding[]> {
    return holdingsOf(this.#sql, paths);
  }

  async heldFiles(afterPath: string, limit: number): Promise<{ path: string; generation: number }[]> {
    return heldFiles(this.#sql, afterPath, limit);
  }

  async disown(ids: string[]): Promise<string[]> {
    return this.#storage.transactionSync(() => disownVectors(this.#sql, ids, Date.now()));
  }

  async stats(): Promise<IndexStats> {
    return statsOf(this.#sql);
  }

  acquire(request: LeaseRequest): Promise<string | null> {
    return this.#leases.acquire(request);
  }

  async release(lease: string): Promise<void> {
    this.#leases.release(lease);
  }

  /** Empty afterwards, and closed for an hour, so that a writer that was under way brings nothing back. */
  async clear(): Promise<void> {
    await this.ctx.blockConcurrencyWhile(async () => {
      await this.#storage.deleteAll();
      migrate(this.#storage);
      this.#sql.exec("INSERT INTO closed VALUES (?)", Date.now() + CLOSED_MS);
    });
  }

  #isClosed(): boolean {
    const until = this.#sql
      .exec<{ until: number | null }>("SELECT max(until) AS until FROM closed")
      .one().until;
    return until !== null && Date.now() < until;
  }
}
