import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isOpenAi, OpenAiChat } from "../../../src/clients/openai-chat.ts";
import { upstreamFetch } from "../../../src/clients/upstream-fetch.ts";
import { PaidCallError } from "../../../src/core/budget.ts";
import { describe as describeError } from "../../../src/core/log.ts";
import type { ChatEnd, ChatModel } from "../../../src/core/ports.ts";
import { Secret } from "../../../src/core/secret.ts";
import { type StandInChat, startStandInChat } from "../../support/stand-in-chat.ts";

let server: StandInChat;
beforeAll(async () => {
  server = await startStandInChat();
});
afterAll(() => server.stop());

let count = 0;
const marker = (kind: string) => `ask${kind}${(++count).toString(36).padStart(8, "0")}`;
const SOURCE = "<<<source 1 · x · a.ts lines 3-9>>>";

function chat(options: { callersKey?: boolean; silenceMs?: number } = {}): ChatModel {
  return new OpenAiChat({
    apiKey: new Secret("sk-canary"),
    callersKey: options.callersKey ?? false,
    baseUrl: server.url,
    model: "stand-in",
    silenceMs: options.silenceMs ?? 5_000,
    fetch: upstreamFetch({
      timeoutMs: null,
      streamed: true,
      retry: { retries: 1, baseDelayMs: 1, maxDelayMs: 1, maxRetryAfterMs: 0, unanswered: false },
    }),
  });
}

const request = (content: string) => ({
  messages: [{ role: "user" as const, content }],
  mostInputTokens: 100,
  maxOutputTokens: 50,
});

async function heard(model: ChatModel, content: string, signal = new AbortController().signal) {
  const parts: string[] = [];
  const stream = model.stream(request(content), signal);
  for (;;) {
    const next = await stream.next();
    if (next.done) return { parts, end: next.value as ChatEnd };
    parts.push(next.value);
  }
}

const failure = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PaidCallError)) throw new Error(`another outcome: ${String(error)}`);
  return error;
};

describe("OpenAiChat", () => {
  it("says that it begins, then each word as it comes, then what was counted", async () => {
    const word = marker("ok");
    const { parts, end } = await heard(chat(), `${SOURCE} ${word}`);
    expect(parts[0]).toBe("");
    expect(parts.slice(1).join("")).toBe("It is written in the first source [1:3-9].");
    expect(end).toEqual({ usage: { inputTokens: 13, outputTokens: 11 }, finish: "stop" });
    expect(server.calls(word)).toMatchObject([
      {
        authorization: "Bearer sk-canary",
        body: { model: "stand-in", stream: true, stream_options: { include_usage: true }, max_tokens: 50 },
      },
    ]);
  });

  it("understands servers that do not stream, and those that do not count", async () => {
    const plain = await heard(chat(), `${SOURCE} ${marker("plain")}`);
    expect(plain.parts).toEqual(["", "It is written in the first source [1:3-9]."]);
    expect(plain.end.usage).not.toBeNull();
    const uncounted = await heard(chat(), `${SOURCE} ${marker("uncounted")}`);
    expect(uncounted.end).toEqual({ usage: null, finish: "stop" });
  });

  it("asks again after a refusal, and not after silence, which may have been charged", async () => {
    const [once, silent] = [marker("once"), marker("silent")];
    expect((await heard(chat(), once)).end.finish).toBe("stop");
    expect(server.calls(once)).toHaveLength(2);
    const error = await failure(heard(chat(), silent));
    expect([error.code, error.spentTokens]).toEqual(["upstream_unavailable", null]);
    expect(server.calls(silent)).toHaveLength(1);
  });

  it("fails where the connection breaks between words, and where nothing comes in time", async () => {
    const cut = await failure(heard(chat(), `${SOURCE} ${marker("cut")}`));
    expect([cut.code, cut.spentTokens]).toEqual(["upstream_unavailable", null]);
    const hang = marker("hang");
    const error = await failure(heard(chat({ silenceMs: 1_000 }), hang));
    expect(error.code).toBe("upstream_unavailable");
    await expect.poll(() => server.calls(hang)[0]?.aborted).toBe(true);
  });

  it("is never silent for longer than allowed, however long the whole takes", async () => {
    const { parts } = await heard(chat({ silenceMs: 150 }), marker("paced"));
    expect(parts).toHaveLength(201);
  });

  it("ends the call when the signal ends, or nobody reads on", async () => {
    const word = marker("slow");
    const left = new AbortController();
    const hearing = heard(chat(), word, left.signal);
    await expect.poll(() => server.calls(word)[0]?.parts ?? 0).toBeGreaterThan(2);
    left.abort();
    await expect(hearing).rejects.toThrow();
    await expect.poll(() => server.calls(word)[0]?.aborted).toBe(true);

    const other = marker("slow");
    for await (const part of chat().stream(request(other), new AbortController().signal)) {
      if (part !== "") break;
    }
    await expect.poll(() => server.calls(other)[0]?.aborted).toBe(true);
    expect(server.calls(other)[0]?.parts).toBeLessThan(20);
  });

  it("tells a caller that its own key is refused, and nobody what the provider said", async () => {
    const own = await failure(heard(chat({ callersKey: true }), marker("refused")));
    expect([own.code, own.status, own.spentTokens]).toEqual(["upstream_key_rejected", 400, 0]);
    for (const [kind, model] of [
      ["refused", chat()],
      ["busy", chat({ callersKey: true })],
    ] as const) {
      const error = await failure(heard(model, marker(kind)));
      expect([error.code, error.message]).toEqual([
        "upstream_unavailable",
        "The chat model is not available right now.",
      ]);
      expect(error.spentTokens).toBe(0);
      expect(describeError(error)).not.toContain("sk-canary");
    }
  });

  it("knows OpenAI by scheme and host alone", () => {
    expect(isOpenAi("https://api.openai.com/v1")).toBe(true);
    for (const other of [
      "http://api.openai.com/v1",
      "https://api.openai.com.evil.example/v1",
      "https://evil.example/api.openai.com",
      "https://api.openai.com:8443/v1",
      "https://api.openai.com@evil.example/v1",
    ]) {
      expect(isOpenAi(other)).toBe(false);
    }
  });
});
