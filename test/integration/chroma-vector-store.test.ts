import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ChromaVectorStore } from "../../src/clients/chroma-vector-store.ts";
import { CollectionGoneError } from "../../src/core/collection-gone.ts";
import type { VectorRecord } from "../../src/core/ports.ts";

const { CHROMA_URL } = env as unknown as { CHROMA_URL: string };

/** A store whose requests are counted, as `METHOD last-part-of-the-path`. */
function store(url = CHROMA_URL) {
  const requests: string[] = [];
  const vectors = new ChromaVectorStore({
    url,
    apiKey: null,
    tenant: "default_tenant",
    database: "default_database",
    fetch: (input, init) => {
      const request = new Request(input as RequestInfo, init as RequestInit);
      requests.push(`${request.method} ${new URL(request.url).pathname.split("/").at(-1)}`);
      return fetch(request);
    },
  });
  return { vectors, requests, asked: () => requests.splice(0) };
}

const records = (count: number): VectorRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `chk_${i}`,
    vector: [Math.cos(i / count), Math.sin(i / count), 0],
    metadata: { language: i % 2 ? "go" : "rust", d1: i < 10 ? "src" : "lib" },
  }));

const name = () => `test-${crypto.randomUUID()}`;

describe("ChromaVectorStore", () => {
  it("costs one round trip a call, and one pre-flight check before its first write", async () => {
    const { vectors, asked } = store();
    const id = await vectors.openCollection(name(), { model: "m", dimensions: 3 });
    expect(asked()).toEqual(["POST collections"]);
    await vectors.upsert(id, records(650));
    expect(asked()).toEqual(["GET pre-flight-checks", "POST upsert", "POST upsert", "POST upsert"]);
    await vectors.upsert(id, records(5));
    expect(asked()).toEqual(["POST upsert"]);
    expect(await vectors.count(id)).toBe(650);
    await vectors.query(id, [1, 0, 0], 5, []);
    await vectors.upsert(id, []);
    await vectors.delete(id, []);
    expect(asked()).toEqual(["GET count", "POST query"]);
    await vectors.ping();
    expect(asked()).toEqual(["GET heartbeat"]);
  });

  it("gives hits nearest first, by cosine distance, within the filters", async () => {
    const { vectors } = store();
    const id = await vectors.openCollection(name(), { model: "m" });
    await vectors.upsert(id, records(20));
    const hits = await vectors.query(id, [2, 0, 0], 3, [
      { key: "d1", anyOf: ["src"] },
      { key: "language", anyOf: ["go", "c"] },
    ]);
    expect(hits.map((hit) => hit.id)).toEqual(["chk_1", "chk_3", "chk_5"]);
    expect(hits[0]?.distance).toBeCloseTo(1 - Math.cos(1 / 20), 4);
    expect(await vectors.query(id, [1, 0, 0], 3, [{ key: "language", anyOf: [] }])).toEqual([]);
    expect(await vectors.query(id, [1, 0, 0], 3, [{ key: "language", anyOf: ["c"] }])).toEqual([]);
  });

  it("reads and deletes by id, any number, whether they exist or not", async () => {
    const { vectors } = store();
    const id = await vectors.openCollection(name(), { model: "m" });
    await vectors.upsert(id, records(310));
    const ids = [...records(310).map((record) => record.id), "chk_none", "chk_0"];
    const found = await vectors.get(id, ids);
    expect(found.size).toBe(310);
    expect(found.get("chk_0")).toEqual([1, 0, 0]);
    expect((await vectors.existing(id, ids)).size).toBe(310);
    expect((await vectors.list(id, 305, 100)).length).toBe(5);
    expect((await vectors.list(id, 0, 305)).length).toBe(305);
    await vectors.delete(id, ids.slice(0, 305).concat("chk_none"));
    expect(await vectors.count(id)).toBe(5);
  });

  it("finds the same collection again by its name, and tells one that is gone from one that is away", async () => {
    const { vectors } = store();
    const called = name();
    const id = await vectors.openCollection(called, { model: "m" });
    expect(await vectors.openCollection(called, { model: "m" })).toBe(id);
    expect(await vectors.findCollection(called)).toBe(id);
    await vectors.deleteCollection(called);
    await vectors.deleteCollection(called);
    expect(await vectors.findCollection(called)).toBeNull();
    for (const call of [
      () => vectors.upsert(id, records(1)),
      () => vectors.query(id, [1, 0, 0], 1, []),
      () => vectors.get(id, ["chk_0"]),
      () => vectors.delete(id, ["chk_0"]),
      () => vectors.count(id),
    ]) {
      await expect(call()).rejects.toBeInstanceOf(CollectionGoneError);
    }
    const away = await store("http://127.0.0.1:9")
      .vectors.count(id)
      .catch((error: unknown) => error);
    expect(away).toMatchObject({
      code: "upstream_unavailable",
      message: "The vector store is not available right now.",
    });
    expect(away).not.toBeInstanceOf(CollectionGoneError);
  });

  it("answers upstream_unavailable for vectors of another length, without the server's words", async () => {
    const { vectors } = store();
    const id = await vectors.openCollection(name(), { model: "m" });
    await vectors.upsert(id, records(1));
    await expect(
      vectors.upsert(id, [{ id: "x", vector: [1, 2], metadata: { language: "c" } }]),
    ).rejects.toMatchObject({
      code: "upstream_unavailable",
      message: "The vector store is not available right now.",
    });
  });
});
