import { describe, expect, it } from "vitest";
import { fileFilter } from "../../../src/indexing/selection.ts";

describe("fileFilter", () => {
  it("takes as many patterns as people write", () => {
    const excludePatterns = Array.from({ length: 100 }, (_, i) => `packages/number-${i}/**/*.test.{ts,js}`);
    const { takes } = fileFilter({ excludePatterns });
    expect([takes("packages/number-7/a/b.test.ts"), takes("packages/number-7/a/b.ts")]).toEqual([
      false,
      true,
    ]);
  });

  it.each([
    ["patterns of great length", Array(20).fill("*a".repeat(240))],
    ["alternatives that multiply", [`${"*a".repeat(180)}{${"b,".repeat(60)}c}`]],
  ])("refuses %s: every path would be tried on each", (_, excludePatterns) => {
    expect(() => fileFilter({ excludePatterns })).toThrow(
      expect.objectContaining({ code: "unsupported_pattern" }),
    );
  });
});
