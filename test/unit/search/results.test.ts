import { describe, expect, it } from "vitest";
import type { StoredChunk } from "../../../src/core/ports.ts";
import type { Ranked } from "../../../src/search/fuse.ts";
import { type PageRequest, pageOf } from "../../../src/search/results.ts";

const request: PageRequest = { offset: 0, limit: 10, minScore: 0, maxTokens: null, path: null };

function chunk(
  id: string,
  path: string,
  startLine: number,
  endLine: number,
  text = "four letter word",
): StoredChunk {
  return {
    id,
    path,
    startLine,
    endLine,
    text,
    language: "go",
    kind: "block",
    symbol: null,
    parent: null,
    signature: null,
    doc: null,
  };
}

const ranking = (ids: string[]): Ranked[] =>
  ids.map((id, i) => ({ id, score: 1 - i / ids.length, ranks: { vector: i + 1, lexical: null } }));

/** Goes down a ranking of these chunks; `calls` counts the round trips. */
function world(chunks: StoredChunk[], ids = chunks.map(({ id }) => id)) {
  const calls: string[][] = [];
  const fetchChunks = async (asked: string[]) => {
    calls.push(asked);
    return asked.flatMap((id) => chunks.filter((known) => known.id === id));
  };
  const page = (change: Partial<PageRequest>) => pageOf(ranking(ids), { ...request, ...change }, fetchChunks);
  return { calls, page };
}

const idsOf = (page: { found: { chunk: StoredChunk }[] }) => page.found.map((found) => found.chunk.id);

describe("pageOf", () => {
  it("fills the page past ids that the index does not know, in one round trip", async () => {
    const known = Array.from({ length: 12 }, (_, i) => chunk(`k${i}`, `${i}.go`, 1, 9));
    const { calls, page } = world(known, ["stale1", ...known.map(({ id }) => id), "stale2"]);
    expect(idsOf(await page({ limit: 10 }))).toEqual(known.slice(0, 10).map(({ id }) => id));
    expect(calls).toHaveLength(1);
  });

  it("asks again where most are stale", async () => {
    const ids = Array.from({ length: 80 }, (_, i) => `stale${i}`);
    const { calls, page } = world([chunk("last", "a.go", 1, 2)], [...ids, "last"]);
    expect(idsOf(await page({ limit: 5 }))).toEqual(["last"]);
    expect(calls.length).toBeGreaterThan(1);
    expect(calls.flat()).toEqual([...ids, "last"]);
  });

  it("folds chunks that share half of their lines into the better one", async () => {
    const { page } = world([
      chunk("best", "a.go", 1, 40),
      chunk("same", "a.go", 5, 44),
      chunk("next", "a.go", 35, 80),
      chunk("other", "b.go", 1, 40),
    ]);
    expect(idsOf(await page({}))).toEqual(["best", "next", "other"]);
  });

  it("keeps the pieces of one long line", async () => {
    const { page } = world([chunk("p1", "min.js", 1, 1), chunk("p2", "min.js", 1, 1)]);
    expect(idsOf(await page({}))).toEqual(["p1", "p2"]);
  });

  it("drops what lies outside of the path", async () => {
    const { page } = world([chunk("in", "src/a.go", 1, 2), chunk("out", "src-old/a.go", 1, 2)]);
    expect(idsOf(await page({ path: "src" }))).toEqual(["in"]);
  });

  it("leaves out what scores too low", async () => {
    const { page } = world(["a", "b", "c", "d"].map((id) => chunk(id, id, 1, 2)));
    expect(idsOf(await page({ minScore: 0.5 }))).toEqual(["a", "b", "c"]);
  });

  it("pages without gap or repetition, folding over the edge of a page", async () => {
    const chunks = Array.from({ length: 23 }, (_, i) => chunk(`c${i}`, `${i >> 1}.go`, 1, 10));
    const { page } = world(chunks);
    const seen: string[] = [];
    let offset: number | null = 0;
    while (offset !== null) {
      const next: Awaited<ReturnType<typeof page>> = await page({ offset, limit: 3 });
      seen.push(...idsOf(next));
      offset = next.nextOffset;
    }
    expect(seen).toEqual(chunks.filter((_, i) => i % 2 === 0).map(({ id }) => id));
  });

  it("stops where the tokens are used up, and goes on there", async () => {
    const words = (count: number) => "word ".repeat(count);
    const { page } = world([
      chunk("small", "a", 1, 2, words(20)),
      chunk("huge", "b", 1, 2, words(5000)),
      chunk("mid", "c", 1, 2, words(60)),
      chunk("more", "d", 1, 2, `${words(60)}.`),
    ]);
    const first = await page({ maxTokens: 100 });
    expect(idsOf(first)).toEqual(["small", "mid"]);
    expect(first).toMatchObject({ truncated: true, nextOffset: 3 });
    expect(idsOf(await page({ maxTokens: 100, offset: 3 }))).toEqual(["more"]);
    expect(await page({ maxTokens: 1 })).toEqual({ found: [], nextOffset: null, truncated: true });
  });
});
