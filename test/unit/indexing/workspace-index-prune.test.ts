import { describe, expect, it } from "vitest";
import { rareOf } from "../../../src/indexing/workspace-index-prune.ts";

const CHUNKS = 100_000;
const term = (match: string, holders: number) => ({
  match,
  known: { holders, rarity: Math.max(1e-6, Math.log((CHUNKS - holders + 0.5) / (holders + 0.5))) },
});

describe("rareOf", () => {
  it("takes the fewest of the rarest that can fill the places, and bounds what the others score", () => {
    const rare = rareOf([term('"string"', 40_000), term('"zod"', 20), term('"refine"', 900)], 100);
    expect(rare?.match).toBe('"zod" OR "refine"');
    expect(rare?.bound).toBeCloseTo(2.2 * Math.log(60_000.5 / 40_000.5));
  });

  it("always takes phrases, which nobody counted", () => {
    const phrase = { match: '"json schema"', known: null };
    expect(rareOf([phrase, term('"schema"', 30_000), term('"xml"', 500)], 100)?.match).toBe(
      '"xml" OR "json schema"',
    );
  });

  it.each([
    ["of one term", [term('"string"', 40_000)]],
    ["in a small workspace", [term('"a"', 2000), term('"b"', 150)]],
    ["where the rare ones cannot fill the places", [term('"a"', 50_000), term('"b"', 50), term('"c"', 0)]],
    ["where the rare ones are most of all", [term('"a"', 10_000), term('"b"', 9_900)]],
    ["of phrases alone", [{ match: '"a b"', known: null }]],
    ["of nothing", []],
  ])("tells nothing %s", (_, alternatives) => {
    expect(rareOf(alternatives, 100)).toBeNull();
  });
});
