import { describe, expect, it } from "vitest";
import type { Charge, Limiters, TakeAnswer } from "../../../src/core/limiter.ts";
import { LimiterUnavailable, LimitGate } from "../../../src/limits/gate.ts";
import { SlidingWindow } from "../../../src/limits/sliding-window.ts";

const charge: Charge = { policy: "search", requests: 50, windowSeconds: 3600, cost: 1 };

/** A limiter over a real window, on a clock of its own; `down` makes it fail. */
function world() {
  const state = { now: 1_000_000, down: false, calls: 0 };
  const window = new SlidingWindow();
  const take = async ([asked = charge]: Charge[]): Promise<TakeAnswer> => {
    state.calls++;
    if (state.down) throw new Error("down");
    const looked = window.look(asked, state.now);
    const decision = looked.allowed ? window.record(asked, state.now) : looked;
    return {
      allowed: looked.allowed,
      decisions: [decision],
      revoked: [],
      epoch: 0,
      crossed: [],
      advanced: 0,
    };
  };
  const limiters = (() => ({ take })) as unknown as Limiters;
  const gate = new LimitGate(() => state.now);
  const ask = (failOpen: boolean, asked = charge) =>
    gate.take(limiters, "key:k", [asked], { failOpen: () => failOpen });
  return { state, gate, ask };
}

describe("LimitGate, while the limiter is down", () => {
  it("lets a tenth of the quota through for 60 s where the request may pass, and then nothing", async () => {
    const { state, ask } = world();
    state.down = true;
    const outcomes: boolean[] = [];
    for (let i = 0; i < 8; i++) {
      outcomes.push((await ask(true)).allowed);
      state.now += 1000;
    }
    expect(outcomes).toEqual([true, true, true, true, true, false, false, false]);
    state.now = 1_000_000 + 60_000;
    expect((await ask(true)).source).toBe("fallback");
    state.now++;
    await expect(ask(true)).rejects.toBeInstanceOf(LimiterUnavailable);
  });

  it("lets nothing through where the request may not pass, and all again when it answers", async () => {
    const { state, ask } = world();
    state.down = true;
    await expect(ask(false)).rejects.toBeInstanceOf(LimiterUnavailable);
    state.down = false;
    expect(await ask(false)).toMatchObject({ allowed: true, source: "limiter" });
    // It has answered since: another minute begins with the next failure.
    state.now += 120_000;
    state.down = true;
    expect((await ask(true)).source).toBe("fallback");
  });

  it("is told of once a minute", () => {
    const { state, gate } = world();
    const due = [0, 1, 59_999, 60_000, 60_001].map((after) => {
      state.now = 1_000_000 + after;
      return gate.reportDue();
    });
    expect(due).toEqual([true, false, false, true, false]);
  });
});

describe("LimitGate, over the quota", () => {
  it("spares the limiter for ten seconds, and counts the wait down", async () => {
    const { state, ask } = world();
    const small = { ...charge, requests: 1 };
    await ask(false, small);
    expect(await ask(false, small)).toMatchObject({ allowed: false, source: "limiter" });
    const { calls } = state;
    state.now += 4000;
    const cached = await ask(false, small);
    expect(cached).toMatchObject({ allowed: false, source: "cached", decisions: [{ resetMs: 3_596_000 }] });
    expect(state.calls).toBe(calls);
    state.now += 6000;
    expect((await ask(false, small)).source).toBe("limiter");
  });

  it("asks anew where the quota was raised", async () => {
    const { ask } = world();
    const small = { ...charge, requests: 1 };
    await ask(false, small);
    await ask(false, small);
    expect(await ask(false, { ...charge, requests: 2 })).toMatchObject({ allowed: true, source: "limiter" });
  });
});
