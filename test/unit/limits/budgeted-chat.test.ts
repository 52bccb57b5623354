import { describe, expect, it } from "vitest";
import { type Budget, PaidCallError } from "../../../src/core/budget.ts";
import { DevFlowError } from "../../../src/core/errors.ts";
import type { ChatEnd, ChatModel } from "../../../src/core/ports.ts";
import { current, EMPTY_LEDGER, reserve, settle, stateOf } from "../../../src/limits/budget-ledger.ts";
import { budgetedChat } from "../../../src/limits/budgeted-chat.ts";

/** The ledger that the Durable Object keeps, in memory. */
function ledger(): Budget {
  let held = EMPTY_LEDGER;
  let ids = 0;
  const now = () => Date.now();
  return {
    async reserve(tokens, monthlyTokens) {
      const [next, answer] = reserve(current(held, now()), {
        id: `r${++ids}`,
        tokens,
        monthlyTokens,
        nowMs: now(),
      });
      held = next;
      return answer;
    },
    async settle(id, tokens) {
      held = settle(current(held, now()), id, tokens);
    },
    state: async () => stateOf(current(held, now()), now()),
    async clear() {
      held = EMPTY_LEDGER;
    },
  };
}

type Script = (call: number) => (string | Error)[];
const END: ChatEnd = { usage: { inputTokens: 30, outputTokens: 7 }, finish: "stop" };
const unavailable = (spent: number | null) =>
  new PaidCallError(new DevFlowError("upstream_unavailable", "down"), spent);

function setUp(script: Script, options: { monthlyTokens?: number | null; end?: ChatEnd } = {}) {
  const budget = ledger();
  const made = { calls: 0, spent: [] as object[], background: [] as Promise<unknown>[] };
  const chat: ChatModel = {
    model: "m",
    async *stream() {
      yield "";
      for (const part of script(++made.calls)) {
        if (part instanceof Error) throw part;
        yield part;
      }
      return options.end ?? END;
    },
  };
  const { monthlyTokens = 1_000 } = options;
  const paid = budgetedChat(chat, {
    limit: monthlyTokens === null ? null : { budget, monthlyTokens },
    onSpent: (usage) => made.spent.push(usage),
    background: (work) => made.background.push(work),
  });
  const request = {
    messages: [{ role: "user" as const, content: "one two three" }],
    mostInputTokens: 100,
    maxOutputTokens: 50,
  };
  const stream = () => paid.stream(request, new AbortController().signal);
  return { budget, made, stream };
}

async function whole(stream: AsyncGenerator<string, ChatEnd>): Promise<string> {
  let text = "";
  for await (const part of stream) text += part;
  return text;
}

const standing = async (budget: Budget) => {
  const { spent, reserved } = await budget.state();
  return [spent, reserved];
};

describe("budgetedChat", () => {
  it("sets aside what a call can cost, and settles for what it did", async () => {
    const { budget, made, stream } = setUp(() => ["a", "b"]);
    const parts = stream();
    expect(await parts.next()).toEqual({ value: "", done: false });
    expect(made.calls).toBe(0);
    expect(await standing(budget)).toEqual([0, 150]);
    expect(await whole(parts)).toBe("ab");
    expect(await standing(budget)).toEqual([37, 0]);
    expect(made.spent).toEqual([END.usage]);
    await Promise.all(made.background);
  });

  it("makes no call that the month cannot pay", async () => {
    const { made, stream } = setUp(() => ["a"], { monthlyTokens: 149 });
    await expect(stream().next()).rejects.toMatchObject({ code: "budget_exhausted" });
    expect(made.calls).toBe(0);
    await Promise.all(made.background);
  });

  it("gives all back where nobody reads on before the call", async () => {
    const { budget, made, stream } = setUp(() => ["a"]);
    const parts = stream();
    await parts.next();
    await parts.return(END);
    expect([made.calls, ...(await standing(budget))]).toEqual([0, 0, 0]);
    await Promise.all(made.background);
  });

  it("charges a reader that left for the prompt and the words that came", async () => {
    const { budget, stream } = setUp(() => ["Hello", " world", " never read"]);
    const parts = stream();
    for (let i = 0; i < 3; i++) await parts.next();
    await parts.return(END);
    // 3 tokens of content, 4 + 3 of the format, 2 of the answer.
    expect(await standing(budget)).toEqual([12, 0]);
  });

  it("counts where the server does not, and where the answer broke off, which is not repeated", async () => {
    const uncounted = setUp(() => ["Hello", " world"], { end: { usage: null, finish: "length" } });
    await whole(uncounted.stream());
    expect(await standing(uncounted.budget)).toEqual([12, 0]);
    const cut = setUp(() => ["Hello", " world", unavailable(null)]);
    await expect(whole(cut.stream())).rejects.toMatchObject({ code: "upstream_unavailable" });
    expect([cut.made.calls, ...(await standing(cut.budget))]).toEqual([1, 12, 0]);
  });

  it("gives back what was refused, and keeps what nobody answered, asking once more", async () => {
    const refused = setUp(() => [unavailable(0)]);
    await expect(whole(refused.stream())).rejects.toThrow();
    expect([refused.made.calls, ...(await standing(refused.budget))]).toEqual([1, 0, 0]);
    const silent = setUp(() => [unavailable(null)]);
    await expect(whole(silent.stream())).rejects.toThrow();
    expect([silent.made.calls, ...(await standing(silent.budget))]).toEqual([2, 0, 300]);
    const mended = setUp((call) => (call === 1 ? [unavailable(null)] : ["a"]));
    expect(await whole(mended.stream())).toBe("a");
    expect(await standing(mended.budget)).toEqual([37, 150]);
  });

  it("asks nobody where there is no budget", async () => {
    const { budget, made, stream } = setUp(() => ["a"], { monthlyTokens: null });
    expect(await whole(stream())).toBe("a");
    expect([made.spent, ...(await standing(budget))]).toEqual([[END.usage], 0, 0]);
  });
});
