import type { BudgetState, Reservation } from "../core/budget.ts";

/** A reservation that nobody settles counts as spent after this: its call may well have been made. */
export const UNSETTLED_MS = 10 * 60_000;
/** The share of a budget at which its spending is told once a month. */
const WARN_SHARE = 0.8;

/** What is stored of a workspace's month. */
export interface Ledger {
  month: string;
  spent: number;
  warned: boolean;
  open: { id: string; tokens: number; atMs: number }[];
}

export const EMPTY_LEDGER: Ledger = { month: "", spent: 0, warned: false, open: [] };

/** The ledger as of the time: a new month starts at nothing, and what was left unsettled is spent. */
export function current(ledger: Ledger, nowMs: number): Ledger {
  const month = monthOf(nowMs);
  if (ledger.month !== month) {
    // A call that began in the old month and still runs is paid in the new one, where its answer is counted.
    const open = ledger.open.filter((one) => nowMs - one.atMs < UNSETTLED_MS);
    return { month, spent: 0, warned: false, open };
  }
  const late = ledger.open.filter((one) => nowMs - one.atMs >= UNSETTLED_MS);
  if (late.length === 0) return ledger;
  return {
    ...ledger,
    spent: ledger.spent + total(late),
    open: ledger.open.filter((one) => !late.includes(one)),
  };
}

/** Grants where what is spent, set aside and asked for fits the month. `ledger` is current. */
export function reserve(
  ledger: Ledger,
  ask: { id: string; tokens: number; monthlyTokens: number; nowMs: number },
): [Ledger, Reservation] {
  const after = ledger.spent + total(ledger.open) + ask.tokens;
  // A call that costs nothing is still none where nothing is left.
  if (after > ask.monthlyTokens || ledger.spent >= ask.monthlyTokens) {
    const heldByOthers = ledger.spent < ask.monthlyTokens && ledger.spent + ask.tokens <= ask.monthlyTokens;
    return [ledger, { granted: false, resetsAtMs: nextMonth(ask.nowMs), heldByOthers }];
  }
  const warn = !ledger.warned && ledger.spent >= ask.monthlyTokens * WARN_SHARE;
  const open = [...ledger.open, { id: ask.id, tokens: ask.tokens, atMs: ask.nowMs }];
  return [
    { ...ledger, open, warned: ledger.warned || warn },
    { granted: true, id: ask.id, warn },
  ];
}

/** Replaces the reservation by its cost. One that is not open is unchanged: it was settled, or counted as spent. */
export function settle(ledger: Ledger, id: string, tokens: number): Ledger {
  if (!ledger.open.some((one) => one.id === id)) return ledger;
  return {
    ...ledger,
    spent: ledger.spent + Math.max(0, tokens),
    open: ledger.open.filter((one) => one.id !== id),
  };
}

export function stateOf(ledger: Ledger, nowMs: number): BudgetState {
  return {
    month: ledger.month,
    spent: ledger.spent,
    reserved: total(ledger.open),
    resetsAtMs: nextMonth(nowMs),
  };
}

function total(reservations: Ledger["open"]): number {
  return reservations.reduce((sum, one) => sum + one.tokens, 0);
}

function monthOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 7);
}

/** First instant of the next month, UTC, in milliseconds. */
export function nextMonth(nowMs: number): number {
  const date = new Date(nowMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}
