import { describe, expect, it } from "vitest";
import { loadTokenizer } from "../../../src/core/tokenizer.ts";
import { utf8Length } from "../../../src/core/tokens.ts";

describe("loadTokenizer", () => {
  it("counts as OpenAI's cl100k_base does", async () => {
    const { count } = await loadTokenizer();
    // Figures of OpenAI's own tiktoken.
    expect(count("")).toBe(0);
    expect(count("hello world")).toBe(2);
    expect(count("tiktoken is great!")).toBe(6);
    expect(count("antidisestablishmentarianism")).toBe(6);
    expect(count("2 + 2 = 4")).toBe(7);
    expect(count("お誕生日おめでとう")).toBe(9);
  });

  it("takes what looks like a special token as text", async () => {
    const { count } = await loadTokenizer();
    expect(count("<|endoftext|>")).toBeGreaterThan(3);
  });

  it("stays linear for long runs, and within a token a byte", async () => {
    const { count } = await loadTokenizer();
    for (const text of ["a".repeat(500_000), " ".repeat(500_000), "😀".repeat(50_000)]) {
      const started = performance.now();
      expect(count(text)).toBeLessThanOrEqual(utf8Length(text) * 1.1);
      expect(performance.now() - started).toBeLessThan(5_000);
    }
  });

  it("cuts to a number of tokens, and splits no character", async () => {
    const { count, truncate } = await loadTokenizer();
    const texts = [
      "export const total = rows.length;\n".repeat(40),
      "お誕生日おめでとう😀".repeat(30),
      "x".repeat(2_000),
    ];
    for (const text of texts) {
      for (const most of [0, 1, 7, 100]) {
        const cut = truncate(text, most);
        expect(text.startsWith(cut)).toBe(true);
        expect(cut.isWellFormed()).toBe(true);
        expect(count(cut)).toBeLessThanOrEqual(most);
        expect(count(cut)).toBeGreaterThanOrEqual(most - 4);
      }
      expect(truncate(text, 100_000)).toBe(text);
    }
  });
});
