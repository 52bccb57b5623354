import { DevFlowError } from "./errors.ts";

/** Tokens of one workspace and month (UTC). Who reserves before a paid call can never overspend together. */
export interface Budget {
  /**
   * Sets tokens aside for a call that is about to be made.
   * @param tokens at least as many as the call can cost.
   * @param monthlyTokens what the workspace may spend in a month.
   */
  reserve(tokens: number, monthlyTokens: number): Promise<Reservation>;
  /** Turns the reservation into what the call did cost. Unknown or settled ones change nothing. */
  settle(reservationId: string, tokens: number): Promise<void>;
  state(): Promise<BudgetState>;
  /** Forgets everything: a step of deleting a workspace. */
  clear(): Promise<void>;
}

export type Reservation =
  | { granted: true; id: string; warn: boolean }
  | {
      granted: false;
      resetsAtMs: number;
      /** It would fit if nothing were set aside: calls under way may give some of that back within minutes. */
      heldByOthers: boolean;
    };

export interface BudgetState {
  /** `2026-11` */
  month: string;
  spent: number;
  reserved: number;
  resetsAtMs: number;
}

/** What the workspace may spend in this month is not enough for the call: 402, with the time of the next month. */
export class BudgetExhaustedError extends DevFlowError {
  /** Tokens that the refused call would have set aside. */
  readonly tokens: number;
  readonly heldByOthers: boolean;

  constructor(tokens: number, { resetsAtMs, heldByOthers }: { resetsAtMs: number; heldByOthers: boolean }) {
    const resetsAt = new Date(resetsAtMs).toISOString();
    super("budget_exhausted", `This month's token budget is spent; it resets at ${resetsAt}.`, {
      members: { resets_at: resetsAt },
    });
    this.tokens = tokens;
    this.heldByOthers = heldByOthers;
  }
}

/** A paid call that failed, and what it is known to have cost all the same: 503. */
export class PaidCallError extends DevFlowError {
  /** Tokens; null where nobody answered, so that the provider may have charged the call or not. */
  readonly spentTokens: number | null;

  constructor(failure: DevFlowError, spentTokens: number | null) {
    super(failure.code, failure.message, { cause: failure.cause, headers: failure.headers });
    this.spentTokens = spentTokens;
  }
}
