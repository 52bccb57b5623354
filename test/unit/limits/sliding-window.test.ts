import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Charge } from "../../../src/core/limiter.ts";
import { SlidingWindow } from "../../../src/limits/sliding-window.ts";

const charge = (requests: number, windowSeconds: number, cost = 1): Charge => ({
  policy: "default",
  requests,
  windowSeconds,
  cost,
});

/** Admits what fits, as the limiter does. */
function take(window: SlidingWindow, asked: Charge, now: number) {
  const decision = window.look(asked, now);
  return decision.allowed ? window.record(asked, now) : decision;
}

describe("SlidingWindow", () => {
  it("admits the quota in each of ten windows and never more in any interval of that length", () => {
    const asked = charge(50, 3600);
    const window = new SlidingWindow();
    const admitted: number[] = [];
    for (let now = 0; now < 10 * 3_600_000; now += 7_000) {
      if (take(window, asked, now).allowed) admitted.push(now);
    }
    expect(admitted).toHaveLength(500);
    for (const [i, start] of admitted.entries()) {
      expect(admitted.slice(i).filter((at) => at < start + 3_600_000).length).toBeLessThanOrEqual(50);
    }
  });

  it("lets nobody double the quota at the border of two windows", () => {
    const window = new SlidingWindow();
    const asked = charge(10, 60);
    for (let i = 0; i < 10; i++) expect(take(window, asked, 59_999).allowed).toBe(true);
    expect(take(window, asked, 60_001)).toMatchObject({ allowed: false, remaining: 0, resetMs: 59_998 });
    expect(take(window, asked, 119_998).allowed).toBe(false);
    expect(take(window, asked, 119_999).allowed).toBe(true);
  });

  it("says what remains and when the oldest request leaves", () => {
    const window = new SlidingWindow();
    expect(window.look(charge(5, 10, 0), 0)).toMatchObject({ allowed: true, remaining: 5, resetMs: 10_000 });
    expect(take(window, charge(5, 10), 1000)).toMatchObject({ remaining: 4, resetMs: 10_000 });
    expect(take(window, charge(5, 10), 4000)).toMatchObject({ remaining: 3, resetMs: 7_000 });
  });

  it("tells a costly charge how long it waits for enough places", () => {
    const window = new SlidingWindow();
    for (const now of [0, 1000, 2000]) take(window, charge(4, 10), now);
    expect(window.look(charge(4, 10, 3), 3000)).toMatchObject({ allowed: false, resetMs: 8_000 });
  });

  it("gives places back, newest first", () => {
    const window = new SlidingWindow();
    for (let i = 0; i < 3; i++) take(window, charge(3, 10), i);
    window.giveBack(2);
    expect(window.used).toBe(1);
    expect(take(window, charge(3, 10, 2), 5).allowed).toBe(true);
    window.giveBack(100);
    expect(window.used).toBe(0);
  });

  it("keeps its log through a snapshot", () => {
    const window = new SlidingWindow();
    for (let i = 0; i < 2000; i++) take(window, charge(3000, 1), i);
    const copy = new SlidingWindow(structuredClone(window.snapshot()));
    expect(copy.look(charge(3000, 1), 2000)).toEqual(window.look(charge(3000, 1), 2000));
  });

  it("holds no more than 4,097 numbers for half a million requests, and stays within the quota", () => {
    const asked = charge(500_000, 3600);
    const window = new SlidingWindow();
    let admitted = 0;
    for (let now = 5; now <= 3_600_000; now += 5) if (take(window, asked, now).allowed) admitted++;
    expect(admitted).toBe(500_000);
    expect(window.snapshot().times.length).toBeLessThanOrEqual(4097);
    // The first places come free once their grain (0.88 s) has left, never earlier.
    expect(window.look(asked, 3_600_000).allowed).toBe(false);
    expect(window.look(asked, 3_600_000 + 879).allowed).toBe(true);
  });

  it("never admits more than the quota in any window, whatever the times, costs and quotas", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(fc.integer({ min: -50, max: 2000 }), fc.integer({ min: 1, max: 4 })), {
          maxLength: 200,
        }),
        (requests, windowSeconds, steps) => {
          const window = new SlidingWindow();
          const admitted: { at: number; cost: number }[] = [];
          let now = 10_000;
          let latest = 0;
          for (const [step, cost] of steps) {
            now += step; // the clock may step back
            latest = Math.max(latest, now);
            if (take(window, charge(requests, windowSeconds, cost), now).allowed) {
              admitted.push({ at: latest, cost });
            }
          }
          for (const { at } of admitted) {
            const inside = admitted.filter((one) => one.at > at - windowSeconds * 1000 && one.at <= at);
            const total = inside.reduce((sum, one) => sum + one.cost, 0);
            if (total > requests) return false;
          }
          return true;
        },
      ),
    );
  });
});
