import { Buffer } from "node:buffer";
import { ChromaClient, type Collection, type Where } from "chromadb";
import { slices } from "../core/bounded.ts";
import { CollectionGoneError } from "../core/collection-gone.ts";
import { DevFlowError } from "../core/errors.ts";
import type { Vector, VectorFilter, VectorHit, VectorRecord, VectorStore } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { parseRetryAfter } from "./retry.ts";
import { unavailable } from "./unavailable.ts";

export interface ChromaOptions {
  /** Such as http://127.0.0.1:8001, or https://api.trychroma.com for Chroma Cloud. */
  url: string;
  /** Chroma Cloud's key; servers of one's own may go without. */
  apiKey: Secret | null;
  tenant: string;
  database: string;
  /** Does time-outs and retries. */
  fetch: typeof fetch;
}

/** Records of one write, and results of one read, that Chroma Cloud takes. */
const BATCH = 300;
const SERVICE = "The vector store";

/**
 * Vectors in Chroma, cosine space. Collections are addressed by id through handles, which cost no look-up.
 * Writes go past the client's own `upsert`, which looks at every number of every vector and encodes it byte by byte.
 * Round trips beside the calls themselves: one pre-flight check before the first write of an instance, which tells
 * whether the server takes vectors as base64 (a quarter of the bytes of JSON numbers).
 * Errors: `upstream_unavailable`; `CollectionGoneError` where the server knows no such collection.
 */
export class ChromaVectorStore implements VectorStore {
  readonly #client: ChromaClient;
  readonly #apiKey: Secret | null;
  readonly #send: typeof fetch;
  readonly #headers: Record<string, string>;
  /** Address of the database's collections. */
  readonly #collections: string;

  constructor(options: ChromaOptions) {
    this.#apiKey = options.apiKey;
    this.#send = throwing(options.fetch);
    const token: Record<string, string> = options.apiKey ? { "x-chroma-token": options.apiKey.reveal() } : {};
    this.#headers = { "content-type": "application/json", ...token };
    const [tenant, database] = [options.tenant, options.database].map(encodeURIComponent);
    this.#collections = `${new URL(options.url).origin}/api/v2/tenants/${tenant}/databases/${database}/collections`;
    const { protocol, hostname, port } = new URL(options.url);
    const ssl = protocol === "https:";
    this.#client = new ChromaClient({
      host: hostname,
      port: port === "" ? (ssl ? 443 : 80) : Number(port),
      ssl,
      tenant: options.tenant,
      database: options.database,
      headers: token,
    });
    // The client has no option for its fetch, and its own drops `Retry-After` and follows redirects.
    // A bracket reaches the private member with its type kept: an upgrade that renames it fails to compile.
    this.#client["apiClient"].setConfig({ fetch: this.#send });
  }

  async openCollection(name: string, metadata: Record<string, string | number>): Promise<string> {
    const collection = await this.#call(null, () =>
      this.#client.getOrCreateCollection({
        name,
        metadata,
        configuration: { hnsw: { space: "cosine" } },
        embeddingFunction: null,
      }),
    );
    return collection.id;
  }

  async findCollection(name: string): Promise<string | null> {
    try {
      return (await this.#call(name, () => this.#client.getCollection({ name }))).id;
    } catch (error) {
      if (error instanceof CollectionGoneError) return null;
      throw error;
    }
  }

  async deleteCollection(name: string): Promise<void> {
    try {
      await this.#call(name, () => this.#client.deleteCollection({ name }));
    } catch (error) {
      if (!(error instanceof CollectionGoneError)) throw error;
    }
  }

  async upsert(collectionId: string, records: VectorRecord[]): Promise<void> {
    await this.#each(collectionId, records, async (_, batch) => {
      const base64 = await this.#client.supportsBase64Encoding();
      await this.#send(`${this.#collections}/${encodeURIComponent(collectionId)}/upsert`, {
        method: "POST",
        headers: this.#headers,
        body: JSON.stringify({
          ids: batch.map(({ id }) => id),
          embeddings: batch.map(({ vector }) => (base64 ? toBase64(vector) : Array.from(vector))),
          metadatas: batch.map(({ metadata }) => metadata),
        }),
      });
    });
  }

  async delete(collectionId: string, ids: string[]): Promise<void> {
    await this.#each(collectionId, [...new Set(ids)], (collection, batch) =>
      collection.delete({ ids: batch }),
    );
  }

  /**
   * One request without the client's checks of each number, which take longer than the rest: a search waits for it.
   */
  async query(
    collectionId: string,
    vector: Vector,
    limit: number,
    filters: VectorFilter[],
    signal?: AbortSignal,
  ): Promise<VectorHit[]> {
    if (filters.some(({ anyOf }) => anyOf.length === 0)) return [];
    const where = whereOf(filters);
    const numbers = Array.from(vector, shortFloat).join(",");
    const rest = JSON.stringify({
      n_results: Math.min(limit, BATCH),
      include: ["distances"],
      ...(where ? { where } : {}),
    });
    const { ids, distances } = await this.#call(collectionId, async () => {
      const response = await this.#send(`${this.#collections}/${encodeURIComponent(collectionId)}/query`, {
        method: "POST",
        headers: this.#headers,
        body: `{"query_embeddings":[[${numbers}]],${rest.slice(1)}`,
        ...(signal ? { signal } : {}),
      });
      return (await response.json()) as { ids: string[][]; distances?: (number | null)[][] };
    });
    return (ids[0] ?? []).map((id, i) => ({ id, distance: distances?.[0]?.[i] ?? 2 }));
  }

  async get(collectionId: string, ids: string[]): Promise<Map<string, Vector>> {
    const found = new Map<string, Vector>();
    await this.#each(collectionId, [...new Set(ids)], async (collection, batch) => {
      const result = await collection.get({ ids: batch, limit: batch.length, include: ["embeddings"] });
      result.ids.forEach((id, i) => {
        const vector = result.embeddings[i];
        if (vector) found.set(id, vector);
      });
    });
    return found;
  }

  async existing(collectionId: string, ids: string[]): Promise<Set<string>> {
    const found = new Set<string>();
    await this.#each(collectionId, [...new Set(ids)], async (collection, batch) => {
      const result = await collection.get({ ids: batch, limit: batch.length, include: [] });
      for (const id of result.ids) found.add(id);
    });
    return found;
  }

  async list(collectionId: string, offset: number, limit: number): Promise<string[]> {
    const ids: string[] = [];
    // The server may give fewer than asked for; it gives none at the end.
    while (ids.length < limit) {
      const page = await this.#call(collectionId, () =>
        this.#client
          .collection(collectionId)
          .get({ limit: Math.min(BATCH, limit - ids.length), offset: offset + ids.length, include: [] }),
      );
      if (page.ids.length === 0) break;
      ids.push(...page.ids);
    }
    return ids;
  }

  async count(collectionId: string): Promise<number> {
    return await this.#call(collectionId, () => this.#client.collection(collectionId).count());
  }

  async ping(): Promise<void> {
    await this.#call(null, () => this.#client.heartbeat());
  }

  /** One batch after the other: Chroma Cloud bounds the concurrent writes of a collection, over all consumers. */
  async #each<T>(
    collectionId: string,
    items: T[],
    work: (collection: Collection, batch: T[]) => Promise<unknown>,
  ): Promise<void> {
    const collection = this.#client.collection(collectionId);
    for (const batch of slices(items, BATCH)) {
      await this.#call(collectionId, () => work(collection, batch));
    }
  }

  async #call<T>(collection: string | null, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof DevFlowError) throw cause;
      if (cause instanceof ChromaStatusError) {
        if (cause.status === 404 && collection !== null) throw new CollectionGoneError(collection, cause);
        throw unavailable(SERVICE, cause, this.#apiKey, cause.retryAfterMs);
      }
      throw unavailable(SERVICE, cause, this.#apiKey);
    }
  }
}

/** An answer other than 2xx, with the server's words: for the log only. */
class ChromaStatusError extends Error {
  readonly status: number;
  readonly retryAfterMs: number | null;

  constructor(status: number, body: string, retryAfterMs: number | null) {
    super(`Chroma answered ${status}: ${body.slice(0, 500)}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The generated client takes any answer for a success; its own fetch throws on the others, and so must this. */
function throwing(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await send(input, init);
    if (response.ok) return response;
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
    throw new ChromaStatusError(response.status, await response.text(), retryAfterMs);
  };
}

/** Eight digits: half the text of a double, and far nearer than the 32-bit float that it becomes is exact. */
function shortFloat(value: number): string {
  return String(Number(value.toPrecision(8)));
}

/** Little-endian float32. */
function toBase64(vector: Vector): string {
  const floats = vector instanceof Float32Array ? vector : Float32Array.from(vector);
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString("base64");
}

/** Equality is what Chroma filters by; a conjunction needs two members at least. */
export function whereOf(filters: VectorFilter[]): Where | undefined {
  const conditions = filters.map(({ key, anyOf }) =>
    anyOf.length === 1 ? { [key]: { $eq: anyOf[0] } } : { [key]: { $in: anyOf } },
  ) as Where[];
  return conditions.length > 1 ? { $and: conditions } : conditions[0];
}
