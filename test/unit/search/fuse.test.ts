import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Evidence, fuse } from "../../../src/search/fuse.ts";

const leg = (...entries: [string, number][]): Evidence[] =>
  entries.map(([id, strength]) => ({ id, strength }));
const rounded = (fused: { id: string; score: number }[]) =>
  fused.map(({ id, score }) => [id, Number(score.toFixed(4))]);

const legs = fc
  .uniqueArray(
    fc.record({
      id: fc.constantFrom(..."abcdefghij"),
      strength: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { selector: ({ id }) => id, maxLength: 10 },
  )
  .map((entries) => entries.toSorted((a, b) => b.strength - a.strength));

describe("fuse", () => {
  it("adds what both legs say, few of the words counting for less than their share", () => {
    const fused = fuse(leg(["a", 0.6], ["b", 0.5]), leg(["b", 0.64], ["c", 0.25]), 0.5);
    expect(rounded(fused)).toEqual([
      ["b", 0.506],
      // As near as the last of the dense leg at most: 0.5 · 0.5 + 0.5 · 0.25^1.5.
      ["c", 0.3125],
      ["a", 0.3],
    ]);
    expect(fused.map(({ ranks }) => ranks)).toEqual([
      { vector: 2, lexical: 1 },
      { vector: null, lexical: 2 },
      { vector: 1, lexical: null },
    ]);
  });

  it("does not let the best of a leg that found little drown a strong hit of the other", () => {
    const dense = leg(["right", 0.7], ["wrong", 0.3]);
    const lexical = leg(["wrong", 0.1], ["right", 0.08]);
    expect(fuse(dense, lexical, 0.5)[0]?.id).toBe("right");
  });

  it("gives a leg without entries no say", () => {
    expect(rounded(fuse(leg(["a", 0.4], ["b", 0.2]), [], 0.5))).toEqual([
      ["a", 0.4],
      ["b", 0.2],
    ]);
    expect(rounded(fuse([], leg(["a", 0.25]), 0.5))).toEqual([["a", 0.125]]);
    expect(fuse([], [], 0.5)).toEqual([]);
  });

  it("keeps the dense order among equals", () => {
    const fused = fuse(leg(["x", 1], ["m", 1], ["a", 1]), leg(["b", 0]), 0.5);
    expect(fused.map(({ id }) => id)).toEqual(["x", "m", "a", "b"]);
  });

  it("holds each id once, by falling score within 0..1, with its places in the legs", () => {
    fc.assert(
      fc.property(legs, legs, fc.double({ min: 0, max: 1, noNaN: true }), (dense, lexical, w) => {
        const fused = fuse(dense, lexical, w);
        const ids = fused.map(({ id }) => id);
        expect(new Set(ids)).toEqual(new Set([...dense, ...lexical].map(({ id }) => id)));
        expect(ids).toHaveLength(new Set(ids).size);
        for (const [i, { id, score, ranks }] of fused.entries()) {
          expect(score).toBeGreaterThanOrEqual(0);
          expect(score).toBeLessThanOrEqual(Math.min(1, fused[i - 1]?.score ?? 1));
          expect(ranks.vector).toBe(dense.findIndex((entry) => entry.id === id) + 1 || null);
          expect(ranks.lexical).toBe(lexical.findIndex((entry) => entry.id === id) + 1 || null);
        }
      }),
    );
  });

  it("ranks a hit no lower for being found by the other leg too", () => {
    fc.assert(
      fc.property(legs, legs, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (dense, lexical, w) => {
        fc.pre(dense.length > 0 && lexical.length > 0);
        const score = (fused: ReturnType<typeof fuse>, id: string) =>
          fused.find((ranked) => ranked.id === id)?.score ?? 0;
        const [first] = lexical;
        const without = lexical.slice(1);
        fc.pre(first !== undefined && without.length > 0);
        const id = first?.id ?? "";
        expect(score(fuse(dense, lexical, w), id)).toBeGreaterThanOrEqual(score(fuse(dense, without, w), id));
      }),
    );
  });
});
