import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Alternative,
  firstLeast,
  nextLeast,
  strongOf,
} from "../../../src/indexing/workspace-index-prune.ts";

const CHUNKS = 100_000;
const term = (match: string, holders: number): Alternative => ({
  match,
  known: { holders, rarity: Math.max(1e-6, Math.log((CHUNKS - holders + 0.5) / (holders + 0.5))) },
});
const phrase: Alternative = { match: '"error message"', known: null };

/** Whether a chunk with these terms is one of those that the expression names. */
function holds(expression: string, terms: ReadonlySet<string>): boolean {
  const flat = expression.replaceAll(/"[^"]+"/g, (quoted) => (terms.has(quoted) ? "1" : "0"));
  let text = flat.replaceAll(" AND ", "&").replaceAll(" OR ", "|");
  for (let before = ""; before !== text; ) {
    before = text;
    text = text
      .replace(/\(([01])\)/, "$1")
      .replace(/([01])&([01])/, (_, a, b) => (a === "1" && b === "1" ? "1" : "0"))
      .replace(/(?<![&])([01])\|([01])(?![&])/, (_, a, b) => (a === "1" || b === "1" ? "1" : "0"));
  }
  return text === "1";
}

describe("strongOf", () => {
  it("asks for chunks that hold enough, in rarity, of what is looked for", () => {
    const alternatives = [term('"string"', 40_000), term('"zod"', 20), term('"refine"', 900)];
    const strong = strongOf(alternatives, 7);
    expect(strong?.match).toBe('"zod"');
    expect(strong?.bound).toBeCloseTo(2.2 * (Math.log(99_100.5 / 900.5) + Math.log(60_000.5 / 40_000.5)));
    expect(strongOf(alternatives, 9)?.match).toBe('("zod" AND "refine")');
    expect(strongOf(alternatives, 5)?.match).toBe('("zod" OR ("refine" AND "string"))');
    expect(strongOf(alternatives, 4)?.match).toBe('("zod" OR "refine")');
  });

  it("keeps what holds a phrase, which nobody counted", () => {
    const alternatives = [phrase, term('"schema"', 30_000), term('"xml"', 500)];
    expect(strongOf(alternatives, 3)?.match).toBe('"xml" OR "error message"');
  });

  it("names every chunk that may score above its bound, and no term that none holds", () => {
    const counts = fc.array(fc.integer({ min: 0, max: 90_000 }), { minLength: 1, maxLength: 9 });
    const share = fc.double({ min: 0.05, max: 1, noNaN: true });
    const held = fc.array(fc.boolean(), { minLength: 9, maxLength: 9 });
    fc.assert(
      fc.property(counts, share, fc.array(held, { maxLength: 20 }), (holders, ofAll, chunks) => {
        const alternatives = holders.map((count, i) => term(`"t${i}"`, count));
        const standing = alternatives.filter(({ known }) => (known?.holders ?? 0) > 0);
        const rarityOf = (of: Alternative[]) => of.reduce((sum, { known }) => sum + (known?.rarity ?? 0), 0);
        const strong = strongOf(alternatives, ofAll * rarityOf(standing));
        if (strong === null) return;
        for (const mask of chunks) {
          const own = standing.filter((_, i) => mask[i]);
          if (holds(strong.match, new Set(own.map(({ match }) => match)))) continue;
          expect(2.2 * rarityOf(own)).toBeLessThanOrEqual(strong.bound * (1 + 1e-9));
        }
        for (const { match, known } of alternatives) {
          if (known?.holders === 0) expect(strong.match).not.toContain(match);
        }
      }),
    );
  });
});

describe("what is asked for", () => {
  it("is nothing where all chunks are scored as fast", () => {
    expect(firstLeast([term('"a"', 4000), term('"b"', 900)], CHUNKS, 100)).toBeNull();
    expect(firstLeast([phrase], CHUNKS, 100)).toBeNull();
  });

  it("is a share of what as many chunks reach as are wanted, by chance", () => {
    const [rare, common] = [term('"a"', 300), term('"b"', 50_000)];
    const rarity = (of: Alternative) => of.known?.rarity ?? 0;
    const least = (wanted: number) => firstLeast([rare, common], CHUNKS, wanted) ?? 0;
    // 150 of them hold both; of the common one alone next to nothing is told.
    expect(least(100) / 0.6).toBeCloseTo(rarity(rare) + rarity(common), 1);
    expect(least(300) / 0.6).toBeCloseTo(rarity(rare), 1);
    expect(least(301)).toBe(0);
    // A word of an identifier beside, which stands in two chunks, is not waited for.
    const withName = firstLeast([rare, common, term('"c"', 2)], CHUNKS, 100) ?? 0;
    expect(withName / 0.6).toBeCloseTo(rarity(rare), 0);
  });

  it("is less where too few have as much, and else what can beat the last hit", () => {
    expect(nextLeast(8, null)).toBeLessThan(8);
    const least = nextLeast(8, 11);
    const strong = strongOf([term('"a"', 500), term('"b"', 700), term('"c"', 30_000)], least);
    expect(strong?.bound).toBeLessThan(11);
  });
});
