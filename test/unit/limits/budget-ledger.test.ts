import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  current,
  EMPTY_LEDGER,
  type Ledger,
  nextMonth,
  reserve,
  settle,
  stateOf,
} from "../../../src/limits/budget-ledger.ts";

const NOV = Date.UTC(2026, 10, 23);
const ask = (tokens: number, monthlyTokens: number, nowMs = NOV, id = `r${tokens}`) => ({
  id,
  tokens,
  monthlyTokens,
  nowMs,
});

describe("a month's ledger", () => {
  it("grants until what is spent and set aside reaches the budget", () => {
    let ledger = current(EMPTY_LEDGER, NOV);
    let answer: unknown;
    [ledger, answer] = reserve(ledger, ask(60, 100));
    expect(answer).toMatchObject({ granted: true });
    [ledger, answer] = reserve(ledger, ask(50, 100));
    expect(answer).toEqual({ granted: false, resetsAtMs: Date.UTC(2026, 11, 1), heldByOthers: true });
    [ledger, answer] = reserve(ledger, ask(101, 100));
    expect(answer).toMatchObject({ granted: false, heldByOthers: false });
    ledger = settle(ledger, "r60", 10);
    [ledger, answer] = reserve(ledger, ask(50, 100));
    expect(answer).toMatchObject({ granted: true });
    expect(stateOf(ledger, NOV)).toMatchObject({ spent: 10, reserved: 50, month: "2026-11" });
  });

  it("counts what is unsettled after ten minutes as spent, and settles nothing twice", () => {
    let [ledger] = reserve(current(EMPTY_LEDGER, NOV), ask(60, 100));
    ledger = current(ledger, NOV + 600_000);
    expect(stateOf(ledger, NOV)).toMatchObject({ spent: 60, reserved: 0 });
    expect(settle(ledger, "r60", 1)).toBe(ledger);
  });

  it("starts each month at nothing, keeping what is still running", () => {
    const end = Date.UTC(2026, 11, 1) - 1000;
    let [ledger] = reserve({ ...current(EMPTY_LEDGER, end), spent: 95 }, ask(5, 100, end));
    ledger = current(ledger, end + 2000);
    expect(stateOf(ledger, end + 2000)).toMatchObject({ spent: 0, reserved: 5, month: "2026-12" });
  });

  it("warns once, at four fifths", () => {
    let ledger: Ledger = { ...current(EMPTY_LEDGER, NOV), spent: 80 };
    let answer: unknown;
    [ledger, answer] = reserve(ledger, ask(1, 100, NOV, "a"));
    expect(answer).toMatchObject({ warn: true });
    [, answer] = reserve(ledger, ask(1, 100, NOV, "b"));
    expect(answer).toMatchObject({ warn: false });
  });

  it("refuses everything under a budget of 0", () => {
    expect(reserve(current(EMPTY_LEDGER, NOV), ask(0, 0))[1].granted).toBe(false);
  });

  it("ends in December with the next year's January", () => {
    expect(nextMonth(Date.UTC(2026, 11, 31, 23, 59, 59, 999))).toBe(Date.UTC(2027, 0, 1));
  });

  it("never spends more than the budget where calls cost no more than they reserved", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.array(
          fc.tuple(fc.integer({ min: 0, max: 80 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()),
        ),
        (budget, calls) => {
          let ledger = current(EMPTY_LEDGER, NOV);
          for (const [i, [tokens, share, settled]] of calls.entries()) {
            const id = `c${i}`;
            const [next, answer] = reserve(ledger, { id, tokens, monthlyTokens: budget, nowMs: NOV });
            ledger = answer.granted && settled ? settle(next, id, Math.floor(tokens * share)) : next;
          }
          return stateOf(current(ledger, NOV + 600_000), NOV).spent <= budget;
        },
      ),
    );
  });
});
