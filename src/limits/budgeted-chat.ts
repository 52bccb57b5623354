import { PaidCallError } from "../core/budget.ts";
import type { ChatEnd, ChatModel, ChatRequest, ChatUsage } from "../core/ports.ts";
import { loadTokenizer } from "../core/tokenizer.ts";
import { reserveTokens, settleTokens, type TokenBudget } from "./reserve-tokens.ts";

/** Calls for one question: a second where the first got no answer, each with tokens of its own set aside. */
const CALLS = 2;
/** What the chat format adds to each message, and to the whole. */
const MESSAGE_TOKENS = 4;
const REPLY_TOKENS = 3;

export interface ChatAccount {
  /** Null where the workspace has no budget, or the caller pays. */
  limit: TokenBudget | null;
  /** Called once for each call that was made, with what it cost. */
  onSpent?(usage: ChatUsage): void;
  /** Keeps the work going when whoever asked has left. */
  background(work: Promise<unknown>): void;
}

/**
 * A chat model that pays from a workspace's budget: it sets aside what the call can cost at most, makes it, and settles
 * for what it did cost. A refusal gives the tokens back. An answer that broke off, or whose reader left, costs its
 * prompt and the words that came, counted here; so does one whose server does not count. A call that nobody answered
 * stays set aside, counts as spent after ten minutes, and is made once more.
 * @param chat repeats only attempts that were answered.
 * Errors: `budget_exhausted` (with `resets_at`) before any call is made, and before the first part.
 */
export function budgetedChat(chat: ChatModel, account: ChatAccount): ChatModel {
  return {
    model: chat.model,
    async *stream(request, signal) {
      const over = Promise.withResolvers<void>();
      account.background(over.promise);
      try {
        for (let call = 1; ; call++) {
          const attempt = new Attempt(account, request);
          await attempt.reserve();
          try {
            if (call === 1) yield "";
            return yield* attempt.run(chat, signal);
          } catch (error) {
            const unanswered = error instanceof PaidCallError && error.spentTokens === null;
            if (!unanswered || attempt.spoke || call === CALLS || signal.aborted) throw error;
          } finally {
            await attempt.settle();
          }
        }
      } finally {
        over.resolve();
      }
    },
  };
}

class Attempt {
  readonly #account: ChatAccount;
  readonly #request: ChatRequest;
  #reservation: string | null = null;
  #words = "";
  /** `none`: no call was made. `refused`: it cost nothing. `silent`: nobody knows. */
  #outcome: "none" | "open" | "refused" | "silent" | ChatUsage = "none";

  constructor(account: ChatAccount, request: ChatRequest) {
    this.#account = account;
    this.#request = request;
  }

  get spoke(): boolean {
    return this.#words !== "";
  }

  async reserve(): Promise<void> {
    const { limit } = this.#account;
    const { mostInputTokens, maxOutputTokens } = this.#request;
    if (limit !== null) this.#reservation = await reserveTokens(limit, mostInputTokens + maxOutputTokens);
  }

  async *run(chat: ChatModel, signal: AbortSignal): AsyncGenerator<string, ChatEnd> {
    const parts = chat.stream(this.#request, signal);
    try {
      await parts.next();
      this.#outcome = "open";
      for (;;) {
        const next = await parts.next();
        if (next.done) {
          const usage = next.value.usage ?? (await this.#counted());
          this.#outcome = usage;
          return { ...next.value, usage };
        }
        this.#words += next.value;
        yield next.value;
      }
    } catch (error) {
      if (error instanceof PaidCallError && !this.spoke) {
        this.#outcome = error.spentTokens === null ? "silent" : "refused";
      }
      throw error;
    } finally {
      await parts.return({ usage: null, finish: "stop" });
    }
  }

  async settle(): Promise<void> {
    const { limit, onSpent } = this.#account;
    if (this.#outcome === "open") this.#outcome = await this.#counted();
    const usage = typeof this.#outcome === "object" ? this.#outcome : null;
    if (usage !== null) onSpent?.(usage);
    if (limit === null || this.#reservation === null || this.#outcome === "silent") return;
    await settleTokens(limit, this.#reservation, usage === null ? 0 : usage.inputTokens + usage.outputTokens);
  }

  async #counted(): Promise<ChatUsage> {
    const tokenizer = await loadTokenizer();
    const inputs = this.#request.messages.map(({ content }) => tokenizer.count(content) + MESSAGE_TOKENS);
    return {
      inputTokens: inputs.reduce((sum, tokens) => sum + tokens, REPLY_TOKENS),
      outputTokens: tokenizer.count(this.#words),
    };
  }
}
