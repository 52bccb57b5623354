import { PaidCallError } from "../core/budget.ts";
import type { Limiters } from "../core/limiter.ts";
import type { Logger } from "../core/log.ts";
import type { Embedder } from "../core/ports.ts";
import type { SecurityEvents } from "../core/security-event.ts";
import type { UsageRecorder } from "../core/usage.ts";

const HOUR_SECONDS = 3600;
/** Cheaper calls are searches, whose number is limited; counting them would cost a call of an object each. */
const SMALLEST_TOKENS = 1000;

export interface SpendDeps {
  limiters: Limiters;
  events: SecurityEvents;
  /** Tokens of one workspace in an hour beyond which somebody is told. */
  thresholdTokens: number;
}

export interface WatchDeps extends SpendDeps {
  usage: UsageRecorder;
  log: Logger;
  background(work: Promise<unknown>): void;
}

/**
 * The embedder, noting behind each call what it cost the workspace, whether it succeeded or not.
 * @param keyId who asked; null for work that no key asked for.
 */
export function watchedEmbedder(
  deps: WatchDeps,
  workspaceId: string,
  keyId: string | null,
  embedder: Embedder,
): Embedder {
  const spent = (tokens: number) => {
    if (tokens > 0) deps.usage.add(workspaceId, keyId, { embeddingTokens: tokens });
    const noting = noteSpend(deps, workspaceId, tokens);
    deps.background(noting.catch((cause) => deps.log.error("tokens are not counted", cause)));
  };
  return {
    model: embedder.model,
    dimensions: embedder.dimensions,
    async embed(texts, signal) {
      try {
        const embeddings = await embedder.embed(texts, signal);
        spent(embeddings.tokens);
        return embeddings;
      } catch (error) {
        if (error instanceof PaidCallError) spent(error.spentTokens ?? 0);
        throw error;
      }
    },
  };
}

/**
 * Adds tokens to the workspace's last hour: `suspicious_activity` where that passes the threshold, once an hour.
 * Counts and refuses nothing that a budget counts or refuses: a workspace without a budget is watched too.
 */
export async function noteSpend(deps: SpendDeps, workspaceId: string, tokens: number): Promise<void> {
  if (tokens < SMALLEST_TOKENS) return;
  // A limiter of its own: the window's places are tokens, whatever the policy is called.
  const subject = `key:spend:${workspaceId}` as const;
  const window = { policy: "default", requests: deps.thresholdTokens, windowSeconds: HOUR_SECONDS } as const;
  const { allowed } = await deps.limiters(subject).take([{ ...window, cost: tokens }]);
  if (allowed) return;
  const once = { name: "token_spend", threshold: 0, windowSeconds: HOUR_SECONDS };
  const { crossed } = await deps.limiters(subject).take([], [once]);
  if (crossed.length === 0) return;
  deps.events.record({
    type: "suspicious_activity",
    workspaceId,
    detail: { reason: "token_spend", tokens_over: deps.thresholdTokens, window_seconds: HOUR_SECONDS },
  });
}
