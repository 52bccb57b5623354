import OpenAI from "openai";
import { Stream } from "openai/core/streaming";
import { PaidCallError } from "../core/budget.ts";
import { DevFlowError } from "../core/errors.ts";
import type { ChatEnd, ChatModel, ChatRequest, ChatUsage } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { parseRetryAfter } from "./retry.ts";
import { unavailable } from "./unavailable.ts";

export interface OpenAiChatOptions {
  apiKey: Secret;
  /** The key is a caller's own: its refusal is the caller's to mend. */
  callersKey: boolean;
  baseUrl: string;
  model: string;
  /** How long the server may be silent: before the first word, and between words. */
  silenceMs: number;
  /** Does retries by status and hands answers on as they come; the SDK's own are off. */
  fetch: typeof fetch;
}

const SERVICE = "The chat model";

type Part = Partial<OpenAI.ChatCompletionChunk>;

/**
 * Answers by OpenAI's chat completions, or any server that speaks them (Ollama, vLLM). Servers that leave out usage,
 * or that answer without streaming, are understood. Nothing is repeated here once an attempt may have been charged.
 * Errors: `upstream_unavailable`, `upstream_key_rejected`; each is a `PaidCallError`.
 */
export class OpenAiChat implements ChatModel {
  readonly model: string;
  readonly #options: OpenAiChatOptions;
  readonly #client: OpenAI;

  constructor(options: OpenAiChatOptions) {
    this.model = options.model;
    this.#options = options;
    this.#client = new OpenAI({
      apiKey: options.apiKey.reveal(),
      baseURL: options.baseUrl,
      organization: null,
      project: null,
      maxRetries: 0,
      // Silence is what is bounded here; a long answer is none.
      timeout: 3_600_000,
      logLevel: "off",
      fetch: options.fetch,
    });
  }

  async *stream(request: ChatRequest, signal: AbortSignal): AsyncGenerator<string, ChatEnd> {
    yield "";
    const silence = new Silence(this.#options.silenceMs);
    const call = new AbortController();
    const stop = AbortSignal.any([signal, silence.signal, call.signal]);
    try {
      return yield* read(this.#parts(request, stop, silence));
    } catch (cause) {
      signal.throwIfAborted();
      throw this.#failure(cause);
    } finally {
      silence.end();
      // Whoever stops reading ends the call.
      call.abort();
    }
  }

  async *#parts(request: ChatRequest, signal: AbortSignal, silence: Silence): AsyncGenerator<Part> {
    const { messages, maxOutputTokens } = request;
    const response = await this.#client.chat.completions
      .create(
        {
          model: this.model,
          messages,
          stream: true,
          stream_options: { include_usage: true },
          // Newer models of OpenAI refuse the old name; older servers do not know the new one.
          ...(isOpenAi(this.#options.baseUrl)
            ? { max_completion_tokens: maxOutputTokens }
            : { max_tokens: maxOutputTokens }),
        },
        { signal },
      )
      .asResponse();
    silence.broken();
    if (response.headers.get("content-type")?.includes("json")) {
      yield partOf(await response.json<OpenAI.ChatCompletion>());
      return;
    }
    for await (const part of Stream.fromSSEResponse<Part>(response, new AbortController(), this.#client)) {
      silence.broken();
      yield part;
    }
  }

  #failure(cause: unknown): PaidCallError {
    const { apiKey, callersKey } = this.#options;
    if (!(cause instanceof OpenAI.APIError) || cause.status === undefined) {
      return new PaidCallError(unavailable(SERVICE, cause, apiKey), null);
    }
    if (callersKey && refusesKey(cause)) {
      const detail =
        "The chat provider refuses the key in X-OpenAI-Key, or the key has nothing left to spend.";
      return new PaidCallError(new DevFlowError("upstream_key_rejected", detail), 0);
    }
    const retryAfterMs = parseRetryAfter(cause.headers?.get("retry-after") ?? null, Date.now());
    return new PaidCallError(unavailable(SERVICE, cause, apiKey, retryAfterMs), 0);
  }
}

/** Words and end of an answer. Errors: the connection ended before the answer did. */
async function* read(parts: AsyncIterable<Part>): AsyncGenerator<string, ChatEnd> {
  let usage: ChatUsage | null = null;
  let finish: string | null = null;
  for await (const part of parts) {
    usage = usageOf(part.usage) ?? usage;
    const choice = part.choices?.[0];
    finish = choice?.finish_reason ?? finish;
    const text = choice?.delta?.content;
    if (typeof text === "string" && text !== "") yield text;
  }
  if (finish === null) throw new Error("the chat model's answer broke off");
  return {
    usage,
    finish: finish === "length" ? "length" : finish === "content_filter" ? "filtered" : "stop",
  };
}

/** An answer that came at once, as a stream of one part. */
function partOf({ choices, usage }: OpenAI.ChatCompletion): Part {
  const choice = choices?.[0];
  const part = { index: 0, delta: { content: choice?.message?.content ?? "" } };
  return {
    choices: [
      { ...part, finish_reason: choice === undefined ? null : (choice.finish_reason ?? "stop") },
    ] as Part["choices"] & object,
    ...(usage ? { usage } : {}),
  };
}

function usageOf(usage: OpenAI.CompletionUsage | null | undefined): ChatUsage | null {
  const [inputTokens, outputTokens] = [usage?.prompt_tokens, usage?.completion_tokens];
  return isCount(inputTokens) && isCount(outputTokens) && inputTokens > 0
    ? { inputTokens, outputTokens }
    : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function refusesKey({
  status,
  code,
}: {
  status: number | undefined;
  code?: string | null | undefined;
}): boolean {
  return status === 401 || status === 403 || code === "insufficient_quota";
}

/** Whether the address is OpenAI's own. */
export function isOpenAi(baseUrl: string): boolean {
  const { protocol, host } = new URL(baseUrl);
  return protocol === "https:" && host === "api.openai.com";
}

/** Aborts its signal when nothing was heard for so long. */
class Silence {
  readonly #controller = new AbortController();
  readonly #ms: number;
  #timer: ReturnType<typeof setTimeout>;

  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  broken(): void {
    this.end();
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(
      () => this.#controller.abort(new Error(`the chat model said nothing for ${this.#ms} ms`)),
      this.#ms,
    );
  }
}
