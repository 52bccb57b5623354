import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quantiseRows } from "../../../scripts/embedder/arithmetic.ts";

const COLUMNS = 8;
const row = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), {
  minLength: COLUMNS,
  maxLength: COLUMNS,
});

describe("quantiseRows", () => {
  it("keeps each value within half a step of its row", () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
        const values = Float32Array.from(rows.flat());
        const { codes, scales } = quantiseRows({ shape: [rows.length, COLUMNS], values });
        for (const [index, value] of values.entries()) {
          const scale = scales[Math.floor(index / COLUMNS)] ?? Number.NaN;
          expect(Math.abs((codes[index] ?? Number.NaN) * scale - value)).toBeLessThanOrEqual(scale * 0.5001);
        }
      }),
    );
  });

  it("uses the codes −127..127, so that a weight and its negative are as far from zero", () => {
    const { codes, scales } = quantiseRows({ shape: [1, 3], values: Float32Array.of(-2, 0, 2) });
    expect([...codes]).toEqual([-127, 0, 127]);
    expect(scales[0]).toBeCloseTo(2 / 127);
  });

  it("takes a row of zeros", () => {
    expect([...quantiseRows({ shape: [1, 2], values: Float32Array.of(0, 0) }).codes]).toEqual([0, 0]);
  });
});
