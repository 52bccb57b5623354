import { describe, expect, it } from "vitest";
import { denseEvidence, lexicalEvidence } from "../../../src/search/strength.ts";

describe("denseEvidence", () => {
  it("reads cosines on the scale of the model that made them, within 0..1", () => {
    const hits = [0.2, 0.5, 1.3].map((distance, i) => ({ id: `${i}`, distance }));
    const strengths = (model: string) =>
      denseEvidence(hits, model).map(({ strength }) => strength.toFixed(2));
    expect(strengths("all-MiniLM-L6-v2")).toEqual(["0.80", "0.50", "0.00"]);
    expect(strengths("text-embedding-3-small")).toEqual(["1.00", "0.62", "0.00"]);
    expect(strengths("text-embedding-ada-002")).toEqual(["0.50", "0.00", "0.00"]);
  });
});

describe("lexicalEvidence", () => {
  const hits = [{ id: "a", path: "a", bm25: 6.6 }];

  it("is the share of the greatest BM25 that the query allows, so that words which nothing holds lower it", () => {
    expect(lexicalEvidence(hits, [3])[0]?.strength).toBeCloseTo(1);
    expect(lexicalEvidence(hits, [3, 9])[0]?.strength).toBeCloseTo(0.25);
    expect(lexicalEvidence(hits, [1])[0]?.strength).toBe(1);
    expect(lexicalEvidence(hits, [])[0]?.strength).toBe(0);
  });
});
