import type { Budget } from "../core/budget.ts";
import { DevFlowError } from "../core/errors.ts";
import type { Embedder } from "../core/ports.ts";
import { maxTokensOf } from "../core/tokens.ts";

/** Markers that a model may add to each input. */
const MARKERS = 2;

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
 * and settles for what it did cost. A call that fails stays set aside, and counts as spent after ten minutes,
 * since the provider may have charged it.
 * Errors: `budget_exhausted` (with `resets_at`) before any call is made.
 */
export function budgetedEmbedder(embedder: Embedder, limit: SpendingLimit): Embedder {
  return {
    model: embedder.model,
    dimensions: embedder.dimensions,
    async embed(texts, signal) {
      if (texts.length === 0) return embedder.embed(texts, signal);
      const most = texts.reduce(
        (sum, text) => sum + Math.min(limit.maxTokens, maxTokensOf(text) + MARKERS),
        0,
      );
      const reservation = await limit.budget.reserve(most, limit.monthlyTokens);
      if (!reservation.granted) throw budgetExhausted(reservation.resetsAtMs);
      if (reservation.warn) limit.onWarning?.();
      const embeddings = await embedder.embed(texts, signal);
      await limit.budget.settle(reservation.id, embeddings.tokens);
      return embeddings;
    },
  };
}

/** 402 with the time at which the next month begins. */
export function budgetExhausted(resetsAtMs: number): DevFlowError {
  const resetsAt = new Date(resetsAtMs).toISOString();
  return new DevFlowError(
    "budget_exhausted",
    `This month's token budget is spent; it resets at ${resetsAt}.`,
    {
      members: { resets_at: resetsAt },
    },
  );
}
