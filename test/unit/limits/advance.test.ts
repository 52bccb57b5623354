import { describe, expect, it } from "vitest";
import type { TakeAnswer } from "../../../src/core/limiter.ts";
import { Advances } from "../../../src/limits/advance.ts";

const answer = (advanced: number, remaining: number): TakeAnswer => ({
  allowed: true,
  decisions: [{ policy: "ip", requests: 5000, windowSeconds: 3600, allowed: true, remaining, resetMs: 1000 }],
  revoked: [],
  epoch: 0,
  crossed: [],
  advanced,
});

describe("Advances", () => {
  it("asks for nothing for a subject that calls now and then", () => {
    const advances = new Advances();
    for (let now = 0; now < 60_000; now += 500) {
      expect(advances.use("ip:1", now)).toBeNull();
      expect(advances.request("ip:1", now)).toEqual({ want: 0, unused: 0 });
    }
  });

  it("asks for a quarter of a second's requests, 32 at most, and spends what is granted", () => {
    const advances = new Advances();
    for (let i = 0; i < 80; i++) advances.use("ip:1", 10);
    expect(advances.request("ip:1", 10).want).toBe(20);
    expect(advances.request("ip:1", 10).want).toBe(0);
    advances.granted("ip:1", answer(0, 4000), 10);
    for (let i = 0; i < 1000; i++) advances.use("ip:1", 20);
    expect(advances.request("ip:1", 20).want).toBe(32);
    advances.granted("ip:1", answer(3, 4000), 20);
    expect([1, 2, 3].map(() => advances.use("ip:1", 30)?.decisions[0]?.remaining)).toEqual([
      3999, 3998, 3997,
    ]);
    expect(advances.use("ip:1", 30)).toBeNull();
  });

  it("asks for more before none are left, one request at a time, and says truly what remains", () => {
    const advances = new Advances();
    for (let i = 0; i < 1000; i++) advances.use("ip:1", 10);
    expect(advances.request("ip:1", 10).want).toBe(32);
    advances.granted("ip:1", answer(32, 4000), 10);
    const remaining = Array.from({ length: 24 }, () => advances.use("ip:1", 20)?.decisions[0]?.remaining);
    expect(remaining.at(-1)).toBe(3976);
    // Eight are left: this request asks, and those beside it go on with them.
    expect(advances.use("ip:1", 20)).toBeNull();
    expect(advances.request("ip:1", 20).want).toBe(32);
    expect(advances.use("ip:1", 20)?.decisions[0]?.remaining).toBe(3975);
    // The limiter has counted the first 33, and this request.
    advances.granted("ip:1", answer(32, 3967), 20);
    expect(advances.use("ip:1", 30)?.decisions[0]?.remaining).toBe(3973);
  });

  it("hands back what was not used within a second, once", () => {
    const advances = new Advances();
    advances.granted("ip:1", answer(5, 4000), 0);
    expect(advances.use("ip:1", 10)).not.toBeNull();
    expect(advances.use("ip:1", 1000)).toBeNull();
    expect(advances.request("ip:1", 1000).unused).toBe(4);
    expect(advances.request("ip:1", 1000).unused).toBe(0);
  });

  it("spends nothing more after a failed credential, and hands it back", () => {
    const advances = new Advances();
    advances.granted("ip:1", answer(5, 4000), 0);
    advances.drop("ip:1");
    expect(advances.use("ip:1", 1)).toBeNull();
    expect(advances.request("ip:1", 1).unused).toBe(5);
  });
});
