import { type Budget, BudgetExhaustedError, PaidCallError } from "../core/budget.ts";
import type { Embedder, Embeddings } from "../core/ports.ts";
import { maxTokensOf } from "../core/tokens.ts";

/** Markers that a model may add to each input. */
const MARKERS = 2;
/** Calls for one question: a second where the first got no answer, each with tokens of its own set aside. */
const CALLS = 2;

export interface SpendingLimit {
  budget: Budget;
  /** What the workspace may spend in a month, in tokens. */
  monthlyTokens: number;
  /** Tokens of one input that the model reads; what stands behind them costs nothing. */
  maxTokens: number;
  /** Most of the budget is spent; called once a month. */
  onWarning?(): void;
}

/**
 * An embedder that pays from a workspace's budget: it sets aside what the texts can cost at most, makes the call,
 * and settles for what it did cost. A failure that the provider told of gives the tokens back. A call that nobody
 * answered stays set aside, and counts as spent after ten minutes, since it may have been charged.
 * @param embedder repeats only attempts that were answered: others cost, and are repeated here.
 * Errors: `budget_exhausted` (with `resets_at`) before any call is made.
 */
export function budgetedEmbedder(embedder: Embedder, limit: SpendingLimit): Embedder {
  return {
    model: embedder.model,
    dimensions: embedder.dimensions,
    async embed(texts, signal) {
      if (texts.length === 0) return embedder.embed(texts, signal);
      for (let call = 1; ; call++) {
        const reservation = await reserve(limit, mostTokensOf(texts, limit.maxTokens));
        try {
          const embeddings = await embedder.embed(texts, signal);
          await settle(limit, reservation, embeddings.tokens);
          return embeddings;
        } catch (error) {
          const spent = error instanceof PaidCallError ? error.spentTokens : null;
          if (spent !== null) await settle(limit, reservation, spent);
          const unanswered = error instanceof PaidCallError && spent === null;
          if (!unanswered || call === CALLS || signal?.aborted === true) throw error;
        }
      }
    },
  };
}

/** What the texts can cost at most. */
function mostTokensOf(texts: readonly string[], maxTokens: number): number {
  return texts.reduce((sum, text) => sum + Math.min(maxTokens, maxTokensOf(text) + MARKERS), 0);
}

/** Errors: `budget_exhausted`. @returns the reservation's id. */
async function reserve(limit: SpendingLimit, tokens: number): Promise<string> {
  const reservation = await limit.budget.reserve(tokens, limit.monthlyTokens);
  if (!reservation.granted) throw new BudgetExhaustedError(tokens, reservation);
  if (reservation.warn) limit.onWarning?.();
  return reservation.id;
}

async function settle(
  limit: SpendingLimit,
  reservation: string,
  tokens: Embeddings["tokens"],
): Promise<void> {
  try {
    await limit.budget.settle(reservation, tokens);
  } catch {
    // The whole reservation then counts as spent: dearer, but what was paid for is not thrown away and paid again.
  }
}
