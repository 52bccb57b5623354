import { describe, expect, it } from "vitest";
import type { Ranked } from "../../../src/search/fuse.ts";
import { packed, resumed } from "../../../src/search/shown.ts";

const ranked = (...ids: string[]): Ranked[] =>
  ids.map((id, i) => ({ id, score: 0.9 - i / 1000, ranks: { vector: i + 1, lexical: null } }));
const ids = (ranking: Ranked[]) => ranking.map(({ id }) => id);

describe("what pages have shown", () => {
  it("is nothing on the first", () => {
    const ranking = ranked("a", "b");
    expect(resumed(ranking, "")).toEqual({ ranking, offset: 0 });
  });

  it("comes first in a later ranking, whatever its place and score there", () => {
    const shown = packed(ranked("a", "b", "c", "d"), 2, "");
    const later = resumed(ranked("new", "c", "b", "a", "d"), shown);
    expect(later.offset).toBe(2);
    expect(ids(later.ranking)).toEqual(["b", "a", "new", "c", "d"]);
    expect(later.ranking.slice(0, 2).map(({ score }) => score)).toEqual([1, 1]);
  });

  it("stays known over pages, also while a ranking does not hold it", () => {
    const first = packed(ranked("a", "b"), 1, "");
    const second = packed(ranked("b", "c"), 1, first);
    expect(ids(resumed(ranked("c", "a", "b"), second).ranking)).toEqual(["a", "b", "c"]);
  });

  it("fits a cursor, however much that was", () => {
    const many = ranked(...Array.from({ length: 600 }, (_, i) => `chk_${i}`));
    const shown = packed(many, 600, "");
    expect(resumed(many, shown).offset).toBe(600);
    expect(Math.ceil((shown.length + 10) * (4 / 3)) + 24).toBeLessThan(4096);
  });
});
