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
}

export type Reservation =
  | { granted: true; id: string; warn: boolean }
  | { granted: false; resetsAtMs: number };

export interface BudgetState {
  /** `2026-11` */
  month: string;
  spent: number;
  reserved: number;
  resetsAtMs: number;
}
