import { describe, expect, it } from "vitest";
import { Lru } from "../../../src/core/lru.ts";

describe("Lru", () => {
  it("forgets what was longest unused, and what is too old", () => {
    let now = 0;
    const cache = new Lru<number>(2, 100, () => now);
    cache.set("a", 1);
    cache.set("b", 2);
    expect(cache.get("a")).toBe(1);
    cache.set("c", 3);
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([1, undefined, 3]);
    now = 99;
    expect(cache.get("a")).toBe(1);
    now = 100;
    expect(cache.get("a")).toBeUndefined();
    expect(cache.size).toBe(1);
  });

  it("believes a replaced value no longer than the one before", () => {
    let now = 0;
    const cache = new Lru<number>(2, 100, () => now);
    cache.replace("a", 0);
    expect(cache.get("a")).toBeUndefined();
    cache.set("a", 1);
    now = 60;
    cache.replace("a", 2);
    expect(cache.get("a")).toBe(2);
    now = 100;
    expect(cache.get("a")).toBeUndefined();
    cache.set("a", 3);
    cache.delete("a");
    expect(cache.size).toBe(0);
  });
});
