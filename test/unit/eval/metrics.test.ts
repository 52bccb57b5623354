import { describe, expect, it } from "vitest";
import { bootstrap, type Place, scoresOf } from "../../../eval/metrics.ts";

const at = (path: string, startLine = 1, endLine = 10): Place => ({ path, startLine, endLine });

describe("scoresOf", () => {
  it("counts a file once, at its first place, where files are asked for", () => {
    const scores = scoresOf([at("b"), at("b", 11, 20), at("a")], { relevant: ["a"] });
    expect(scores["mrr@10"]).toBe(1 / 2);
    expect(scores["ndcg@10"]).toBeCloseTo(1 / Math.log2(3));
    expect(scores["recall@5"]).toBe(1);
  });

  it("compares with the best possible order of several answers", () => {
    const relevant = ["a", "b"];
    expect(scoresOf([at("b"), at("a")], { relevant })["ndcg@10"]).toBe(1);
    expect(scoresOf([at("b")], { relevant })).toMatchObject({ "recall@10": 1 / 2, "mrr@10": 1 });
  });

  it("takes lines as found where half of the shorter lies in the other, and the same lines only once", () => {
    const relevant = [{ path: "a", start_line: 8, end_line: 11 }];
    expect(scoresOf([at("a", 1, 7)], { relevant })["mrr@10"]).toBe(0);
    expect(scoresOf([at("a", 1, 8)], { relevant })["mrr@10"]).toBe(0);
    expect(scoresOf([at("a", 1, 9)], { relevant })["mrr@10"]).toBe(1);
    expect(scoresOf([at("b", 8, 11), at("a", 8, 11), at("a", 9, 11)], { relevant })).toEqual({
      "recall@5": 1,
      "recall@10": 1,
      "mrr@10": 1 / 2,
      "ndcg@10": 1 / Math.log2(3),
    });
  });

  it("looks at ten places", () => {
    const ranking = [...Array.from({ length: 10 }, (_, i) => at(`${i}`)), at("a")];
    expect(scoresOf(ranking, { relevant: ["a"] })).toEqual({
      "recall@5": 0,
      "recall@10": 0,
      "mrr@10": 0,
      "ndcg@10": 0,
    });
  });
});

describe("bootstrap", () => {
  it("covers the true mean of samples about as often as it says", () => {
    let state = 7;
    const random = () => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    let covered = 0;
    for (let sample = 0; sample < 200; sample++) {
      const { low, high } = bootstrap(Array.from({ length: 60 }, random));
      if (low <= 0.5 && 0.5 <= high) covered++;
    }
    expect(covered / 200).toBeGreaterThan(0.88);
    expect(covered / 200).toBeLessThan(0.99);
  });

  it("gives the same interval for the same values, and none where nothing varies", () => {
    expect(bootstrap([0, 1, 1, 0, 1])).toEqual(bootstrap([0, 1, 1, 0, 1]));
    expect(bootstrap([0.5, 0.5, 0.5])).toEqual({ mean: 0.5, low: 0.5, high: 0.5 });
    expect(bootstrap([])).toEqual({ mean: 0, low: 0, high: 0 });
  });
});
