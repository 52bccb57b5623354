import { describe, expect, it } from "vitest";
import { CircuitBreaker } from "../../../src/core/circuit-breaker.ts";

function broken(): { breaker: CircuitBreaker; pass(ms: number): void } {
  let now = 1_000_000;
  const breaker = new CircuitBreaker(() => now);
  for (let i = 0; i < 3; i++) breaker.failed();
  return {
    breaker,
    pass(ms) {
      now += ms;
    },
  };
}

describe("CircuitBreaker", () => {
  it("lets all through until the third failure in a row", () => {
    const breaker = new CircuitBreaker(() => 0);
    for (const outcome of ["failed", "failed", "succeeded", "failed", "failed"] as const) {
      breaker[outcome]();
      expect(breaker.admits()).toBe(true);
    }
    breaker.failed();
    expect(breaker.admits()).toBe(false);
  });

  it("lets one probe through after five seconds, and all again once it succeeded", () => {
    const { breaker, pass } = broken();
    pass(4999);
    expect(breaker.admits()).toBe(false);
    expect(breaker.closedForMs).toBe(1);
    pass(1);
    expect([breaker.admits(), breaker.admits()]).toEqual([true, false]);
    breaker.succeeded();
    expect([breaker.admits(), breaker.admits(), breaker.closedForMs]).toEqual([true, true, 0]);
  });

  it("waits twice as long after each probe that failed, a minute at most", () => {
    const { breaker, pass } = broken();
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      waits.push(breaker.closedForMs);
      pass(breaker.closedForMs);
      expect(breaker.admits()).toBe(true);
      breaker.failed();
    }
    expect(waits).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it("counts failures of requests that were under way together once", () => {
    const { breaker } = broken();
    breaker.failed();
    breaker.failed();
    expect(breaker.closedForMs).toBe(5000);
  });

  it("sends another probe where the first one told nothing", () => {
    const { breaker, pass } = broken();
    pass(5000);
    expect(breaker.admits()).toBe(true);
    pass(9999);
    expect(breaker.admits()).toBe(false);
    pass(1);
    expect(breaker.admits()).toBe(true);
  });
});
