import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DIMENSIONS } from "../scripts/embedder/model.ts";
import { provideModel, TOKENIZER_PATH } from "../scripts/embedder/model-file.ts";
import { EmbeddingPool } from "../scripts/embedder/pool.ts";
import { createEmbeddingServer } from "../scripts/embedder/server.ts";

interface Embedded {
  vectors: Float32Array;
  tokens: number;
}

/**
 * The local model behind a file of what it has embedded before: an evaluation that is run again, with another ranking,
 * embeds nothing again. The cache knows texts by their SHA-256 and the model by its file.
 */
export class CachedEmbeddings {
  readonly #pool: EmbeddingPool;
  readonly #database: DatabaseSync;
  readonly #model: string;

  private constructor(pool: EmbeddingPool, database: DatabaseSync, model: string) {
    this.#pool = pool;
    this.#database = database;
    this.#model = model;
  }

  /** @param folder made where it does not exist; holds the model too. */
  static async open(folder: string): Promise<CachedEmbeddings> {
    mkdirSync(folder, { recursive: true });
    const modelPath = await provideModel(folder);
    const pool = await EmbeddingPool.open(
      { modelPath, tokenizerPath: TOKENIZER_PATH },
      Math.min(availableParallelism(), 4),
      (failure) => {
        throw failure;
      },
    );
    const database = new DatabaseSync(join(folder, "vectors.sqlite"));
    database.exec("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 30000");
    database.exec(
      "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens INTEGER)",
    );
    return new CachedEmbeddings(pool, database, modelPath.split(/[\\/]/).at(-1) ?? modelPath);
  }

  /** One vector for each text, one after the other. */
  async embed(texts: readonly string[], signal?: AbortSignal): Promise<Embedded> {
    const vectors = new Float32Array(texts.length * DIMENSIONS);
    let tokens = 0;
    const missing: { text: string; at: number }[] = [];
    const select = this.#database.prepare("SELECT vector, tokens FROM vectors WHERE key = ?");
    for (const [at, text] of texts.entries()) {
      const row = select.get(this.#key(text)) as { vector: Uint8Array; tokens: number } | undefined;
      if (row === undefined) missing.push({ text, at });
      else {
        vectors.set(new Float32Array(row.vector.slice().buffer), at * DIMENSIONS);
        tokens += row.tokens;
      }
    }
    if (missing.length === 0) return { vectors, tokens };
    const fresh = await this.#pool.embed(
      missing.map(({ text }) => text),
      signal,
    );
    const insert = this.#database.prepare("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)");
    this.#database.exec("BEGIN");
    for (const [i, { text, at }] of missing.entries()) {
      const vector = fresh.vectors.slice(i * DIMENSIONS, (i + 1) * DIMENSIONS);
      vectors.set(vector, at * DIMENSIONS);
      const share = Math.round(fresh.tokens / missing.length);
      insert.run(this.#key(text), new Uint8Array(vector.buffer), share);
    }
    this.#database.exec("COMMIT");
    return { vectors, tokens: tokens + fresh.tokens };
  }

  /** Serves them in OpenAI's format on a free port of 127.0.0.1. */
  async serve(): Promise<{ url: string; stop(): Promise<void> }> {
    const server = createEmbeddingServer(this);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
      stop: async () => {
        server.closeAllConnections();
        server.close();
        await this.close();
      },
    };
  }

  async close(): Promise<void> {
    await this.#pool.close();
    this.#database.close();
  }

  #key(text: string): Buffer {
    return createHash("sha256").update(this.#model).update("\0").update(text).digest();
  }
}
