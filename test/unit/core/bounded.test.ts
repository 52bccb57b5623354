import { describe, expect, it } from "vitest";
import { settledBounded } from "../../../src/core/bounded.ts";

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
};

describe("settledBounded", () => {
  it("works on so many items at once, and on each once", async () => {
    let running = 0;
    let most = 0;
    const seen: number[] = [];
    await settledBounded([1, 2, 3, 4, 5], 2, async (item) => {
      most = Math.max(most, ++running);
      await turns(item);
      seen.push(item);
      running--;
    });
    expect([most, seen.sort()]).toEqual([2, [1, 2, 3, 4, 5]]);
  });

  it("begins nothing after a failure, and tells of it when all that was begun has ended", async () => {
    const ended: string[] = [];
    const working = settledBounded(["fails", "is slow", "never"], 2, async (item) => {
      if (item === "fails") throw new Error("it failed");
      await turns(20);
      ended.push(item);
    });
    await expect(working).rejects.toThrow("it failed");
    expect(ended).toEqual(["is slow"]);
  });

  it("has nothing to do with no items", async () => {
    await expect(settledBounded([], 2, () => Promise.reject(new Error("none")))).resolves.toBeUndefined();
  });
});
