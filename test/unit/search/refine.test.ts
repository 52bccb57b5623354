import { describe, expect, it } from "vitest";
import type { StoredChunk } from "../../../src/core/ports.ts";
import type { Ranked } from "../../../src/search/fuse.ts";
import { type QueryTerms, refine } from "../../../src/search/refine.ts";

const ranking = (...entries: [string, number][]): Ranked[] =>
  entries.map(([id, score], i) => ({ id, score, ranks: { vector: i + 1, lexical: null } }));

const chunks = (...entries: [id: string, path: string, symbol: string | null][]) =>
  new Map(entries.map(([id, path, symbol]) => [id, { id, path, symbol } as StoredChunk]));

const asked = (rarity: Record<string, number>, ...others: string[]): QueryTerms => ({
  rarity: new Map(Object.entries(rarity)),
  words: new Set([...Object.keys(rarity), ...others]),
  tests: false,
});

const order = (ranked: Ranked[]) => ranked.map(({ id }) => id);

describe("refine", () => {
  it("raises a definition whose name says what was asked for, and no more", () => {
    const known = chunks(
      ["long", "a.ts", "getYearOfWeekWithOptions"],
      ["exact", "b.ts", "getYear"],
      ["last", "c.ts", null],
    );
    const query = asked({ year: 2, get: 1 }, "the", "of");
    expect(order(refine(ranking(["long", 0.5], ["exact", 0.49], ["last", 0.1]), known, query))).toEqual([
      "exact",
      "long",
      "last",
    ]);
  });

  it("calls an index file by its folder", () => {
    const known = chunks(["other", "src/addDays/index.ts", null], ["right", "src/getYear/index.ts", null]);
    const query = asked({ year: 2, get: 1 });
    expect(order(refine(ranking(["other", 0.5], ["right", 0.49]), known, query))).toEqual(["right", "other"]);
  });

  it("calls a file of translations by its language", () => {
    const known = chunks(["other", "locales/fr.ts", null], ["right", "locales/de.ts", null]);
    expect(order(refine(ranking(["other", 0.5], ["right", 0.49]), known, asked({ german: 9 })))).toEqual([
      "right",
      "other",
    ]);
  });

  it("lets the code before its test, unless tests are asked for", () => {
    const known = chunks(["test", "a.test.ts", null], ["code", "a.ts", null], ["last", "c.ts", null]);
    const scores = ranking(["test", 0.5], ["code", 0.48], ["last", 0.1]);
    const query = asked({ x: 1 });
    expect(order(refine(scores, known, query))).toEqual(["code", "test", "last"]);
    expect(order(refine(scores, known, { ...query, tests: true }))).toEqual(["test", "code", "last"]);
  });

  it("prefers the file of which several chunks answer", () => {
    const known = chunks(
      ["lone", "a.ts", null],
      ["one", "b.ts", null],
      ["two", "b.ts", null],
      ["last", "c.ts", null],
    );
    const scores = ranking(["lone", 0.505], ["one", 0.5], ["two", 0.49], ["last", 0.2]);
    expect(order(refine(scores, known, asked({ x: 1 })))[0]).toBe("one");
  });

  it("lets other files of nearly the same score before the fifth chunk of one", () => {
    const same: [string, string, null][] = Array.from({ length: 8 }, (_, i) => [`big${i}`, "big.ts", null]);
    const known = chunks(...same, ["other", "other.ts", null]);
    const scores = ranking(...same.map(([id], i): [string, number] => [id, 0.9 - i / 100]), ["other", 0.8]);
    const places = order(refine(scores, known, asked({ x: 1 })));
    expect(places.slice(0, 4)).toEqual(["big0", "big1", "big2", "big3"]);
    expect(places.indexOf("other")).toBeLessThan(8);
    expect(places.indexOf("other")).toBeGreaterThan(3);
  });

  it("lets others before the second piece of one definition", () => {
    const known = chunks(
      ["head", "a.ts", "run"],
      ["tail", "a.ts", "run"],
      ["next", "a.ts", "stop"],
      ["last", "c.ts", null],
    );
    const scores = ranking(["head", 0.9], ["tail", 0.89], ["next", 0.88], ["last", 0.1]);
    expect(order(refine(scores, known, asked({ x: 1 })))).toEqual(["head", "next", "tail", "last"]);
  });

  it("keeps scores within 0..1, and what it knows nothing of in its order", () => {
    const best = refine(
      ranking(["a", 1], ["stale", 0.9], ["gone", 0.8]),
      chunks(["a", "year.ts", "year"]),
      asked({ year: 1 }),
    );
    expect(best[0]?.score).toBeGreaterThan(0.95);
    expect(best[0]?.score).toBeLessThanOrEqual(1);
    expect(order(best)).toEqual(["a", "stale", "gone"]);
    expect(refine([], new Map(), asked({}))).toEqual([]);
  });
});
