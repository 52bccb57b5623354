import { describe, expect, it } from "vitest";
import { embeddingBatches } from "../../../src/clients/embedding-batches.ts";
import { loadTokenizer } from "../../../src/core/tokenizer.ts";

const OPENAI = { model: "text-embedding-3-small", maxTokens: 8_192 };
const OTHER = { model: "all-MiniLM-L6-v2", maxTokens: 8_192 };
/** Some 1,000 tokens of code each, and four bytes a token. */
const texts = Array.from({ length: 700 }, (_, i) =>
  Array.from({ length: 60 }, (_, line) => `export const value${i}At${line} = compute(rows, ${line});`).join(
    "\n",
  ),
);

describe("embeddingBatches", () => {
  it("fills the requests of OpenAI's models to 300,000 tokens, counted by their vocabulary", async () => {
    const { count } = await loadTokenizer();
    const batches = await embeddingBatches(texts, OPENAI);
    const sums = batches.map((batch) => batch.reduce((sum, text) => sum + count(text), 0));
    for (const sum of sums) expect(sum).toBeLessThanOrEqual(300_000);
    // No room for the next one was left in any but the last.
    for (const [i, sum] of sums.slice(0, -1).entries()) {
      expect(sum + count(batches[i + 1]?.[0] ?? "")).toBeGreaterThan(300_000);
    }
    expect(batches.flat()).toEqual(texts);
    expect(batches.length).toBeLessThan((await embeddingBatches(texts, OTHER)).length / 2);
  });

  it("never puts more than 2,048 inputs into a request", async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => `n${i}`);
    const batches = await embeddingBatches(many, OPENAI);
    expect(batches.map((batch) => batch.length)).toEqual([2_048, 2_048, 904]);
  });

  it("cuts an input to exactly what the model reads", async () => {
    const { count } = await loadTokenizer();
    const long = "const total = rows.map((row) => row.amount);\n".repeat(1_500);
    const [[cut = ""] = []] = await embeddingBatches([long], OPENAI);
    expect(long.startsWith(cut)).toBe(true);
    expect(count(cut)).toBeLessThanOrEqual(8_192);
    expect(count(cut)).toBeGreaterThan(8_180);
    const whole = "const total = rows.length;\n".repeat(1_000);
    expect(count(whole)).toBeLessThanOrEqual(8_192);
    expect(await embeddingBatches([whole], OPENAI)).toEqual([[whole]]);
  });

  it("sends no empty input and no half of a surrogate pair", async () => {
    expect(await embeddingBatches(["", "  \n", "a\ud800"], OPENAI)).toEqual([["-", "-", "a\ufffd"]]);
    expect(await embeddingBatches([], OPENAI)).toEqual([]);
  });
});
