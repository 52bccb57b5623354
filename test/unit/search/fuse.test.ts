import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fuse, type Scored } from "../../../src/search/fuse.ts";

const leg = (...entries: [string, number][]): Scored[] => entries.map(([id, score]) => ({ id, score }));

const legs = fc
  .uniqueArray(
    fc.record({ id: fc.constantFrom(..."abcdefghij"), score: fc.double({ min: -5, max: 50, noNaN: true }) }),
    {
      selector: ({ id }) => id,
      maxLength: 10,
    },
  )
  .map((entries) => entries.toSorted((a, b) => b.score - a.score));

describe("fuse", () => {
  it("adds the weighted shares of both legs", () => {
    const fused = fuse(leg(["a", 0.9], ["b", 0.7], ["c", 0.5]), leg(["c", 12], ["b", 8], ["d", 4]), 0.7);
    expect(fused.map(({ id, score }) => [id, Number(score.toFixed(6))])).toEqual([
      ["a", 0.7],
      ["b", 0.5],
      ["c", 0.3],
      ["d", 0],
    ]);
    expect(fused.map(({ ranks }) => ranks)).toEqual([
      { vector: 1, lexical: null },
      { vector: 2, lexical: 2 },
      { vector: 3, lexical: 1 },
      { vector: null, lexical: 3 },
    ]);
  });

  it("gives a leg without entries no say", () => {
    expect(fuse(leg(["a", 0.4], ["b", 0.2]), []).map(({ score }) => score)).toEqual([1, 0]);
    expect(fuse([], leg(["a", 9], ["b", 3])).map(({ score }) => score)).toEqual([1, 0]);
    expect(fuse([], [])).toEqual([]);
  });

  it("keeps the dense order among equals", () => {
    const fused = fuse(leg(["x", 1], ["m", 1], ["a", 1]), leg(["b", 1]), 0.5);
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

  it("is a leg's own order where that leg has all the weight", () => {
    fc.assert(
      fc.property(legs, legs, (dense, lexical) => {
        fc.pre(dense.length > 0 && lexical.length > 0);
        const order = fuse(dense, lexical, 1).map(({ id }) => id);
        expect(order.slice(0, dense.length)).toEqual(dense.map(({ id }) => id));
      }),
    );
  });
});
