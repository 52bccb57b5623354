import { PaidCallError } from "../core/budget.ts";
import type { Embedder } from "../core/ports.ts";
import { maxTokensOf } from "../core/tokens.ts";
import { reserveTokens, settleTokens, type TokenBudget } from "./reserve-tokens.ts";

/** Markers that a model may add to each input. */
const MARKERS = 2;
/** Calls for one question: a second where the first got no answer, each with tokens of its own set aside. */
const CALLS = 2;

export interface SpendingLimit extends TokenBudget {
  /** Tokens of one input that the model reads; what stands behind them costs nothing. */
  maxTokens: number;
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
        const reservation = await reserveTokens(limit, mostTokensOf(texts, limit.maxTokens));
        try {
          const embeddings = await embedder.embed(texts, signal);
          await settleTokens(limit, reservation, embeddings.tokens);
          return embeddings;
        } catch (error) {
          const spent = error instanceof PaidCallError ? error.spentTokens : null;
          if (spent !== null) await settleTokens(limit, reservation, spent);
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
