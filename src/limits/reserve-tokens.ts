import { type Budget, BudgetExhaustedError } from "../core/budget.ts";

export interface TokenBudget {
  budget: Budget;
  /** What the workspace may spend in a month, in tokens. */
  monthlyTokens: number;
  /** Most of the budget is spent; called once a month. */
  onWarning?(): void;
}

/** Errors: `budget_exhausted`. @returns the reservation's id. */
export async function reserveTokens(limit: TokenBudget, tokens: number): Promise<string> {
  const reservation = await limit.budget.reserve(tokens, limit.monthlyTokens);
  if (!reservation.granted) throw new BudgetExhaustedError(tokens, reservation);
  if (reservation.warn) limit.onWarning?.();
  return reservation.id;
}

export async function settleTokens(limit: TokenBudget, reservation: string, tokens: number): Promise<void> {
  try {
    await limit.budget.settle(reservation, tokens);
  } catch {
    // The whole reservation then counts as spent: dearer, but what was paid for is not thrown away and paid again.
  }
}
