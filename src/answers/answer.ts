import { DevFlowError } from "../core/errors.ts";
import type { ChatEnd, ChatMessage, ChatModel, ChatUsage } from "../core/ports.ts";
import { loadTokenizer } from "../core/tokenizer.ts";
import { estimateTokens, utf8Length } from "../core/tokens.ts";
import { AnswerText } from "./answer-text.ts";
import type { Citation } from "./citations.ts";
import { type Packed, pack } from "./pack.ts";
import { promptFor } from "./prompt.ts";
import type { RetrieveDeps } from "./retrieve.ts";
import type { Region, Source } from "./source.ts";

export interface AnswerDeps extends RetrieveDeps {
  /** The model as the workspace, or the caller's own key, pays for it; null where none is configured. */
  chat(): Promise<ChatModel | null>;
  /** Tokens of prompt and answer together that the model takes. */
  contextTokens: number;
  /** 128 random bits in hexadecimal. */
  boundary(): string;
}

export interface AnswerBounds {
  /** Sources at most. */
  limit: number;
  /** Tokens of the answer; null for the default. */
  maxOutputTokens: number | null;
}

export interface Answer {
  /** With the citations that hold, and nothing active in it; Markdown, to be shown as text. */
  text: string;
  citations: Citation[];
  droppedCitations: number;
  /** Whether at least one citation holds. */
  grounded: boolean;
  /** What a reader should know of the answer as a whole, in words; null where nothing. */
  notice: string | null;
  usage: ChatUsage;
  model: string;
  /** The answer was cut off at `maxOutputTokens`, or withheld in part by the provider. */
  truncated: boolean;
}

export type AnswerEvent =
  | { kind: "sources"; sources: Source[]; missingFiles: string[]; degraded: boolean; model: string }
  | { kind: "delta"; text: string }
  | { kind: "done"; answer: Answer };

/** What is to be answered from. */
export interface Material {
  question: string;
  /** Earlier turns, oldest first; the oldest are left out where the model has no room. */
  history: readonly ChatMessage[];
  /** Best first. */
  regions: Region[];
  extensions: Region[];
  /** Files of the question that the index does not hold. */
  missingFiles: string[];
  /** Whether the search had to do without meaning. */
  degraded: boolean;
}

const DEFAULT_OUTPUT_TOKENS = 1024;
/** Rules of the prompt and the format around its messages. */
const RULES_TOKENS = 600;
/** Room that sources have at least, or there is no answering from them. */
const LEAST_SOURCE_TOKENS = 300;

const NOTICES = {
  empty: "Nothing that is indexed fits the question, so no model was asked.",
  ungrounded: "No statement of this answer is backed by a citation that holds. Check it against the code.",
  filtered: "The provider withheld a part of this answer.",
  length: "The answer was cut off at max_output_tokens.",
};

/** No chat model: what was found all the same, in the members of the problem. */
export class AiNotConfiguredError extends DevFlowError {
  constructor(sources: readonly Source[]) {
    super(
      "ai_not_configured",
      "No chat model is configured (OPENAI_CHAT_MODEL). The sources were found all the same.",
      {
        members: {
          sources: sources.map(({ n, chunkId, path, startLine, endLine }) => ({
            n,
            chunk_id: chunkId,
            path,
            start_line: startLine,
            end_line: endLine,
          })),
        },
      },
    );
  }
}

/**
 * Packs sources, asks the model and checks what it says, while it says it. `sources` comes as soon as the call is paid
 * for; failures before it have cost nothing. Ends with the signal, and with whoever stops reading: the call to the
 * model ends too, and what was written is charged.
 * Errors: `ai_not_configured` with the sources, `budget_exhausted`, `upstream_key_rejected`, `upstream_unavailable`;
 * `invalid_request` where question and answer leave no room for sources.
 */
export async function* answerFrom(
  deps: Pick<AnswerDeps, "contextTokens" | "boundary">,
  chat: ChatModel | null,
  material: Material,
  bounds: AnswerBounds,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  const maxOutputTokens =
    bounds.maxOutputTokens ?? Math.min(DEFAULT_OUTPUT_TOKENS, Math.floor(deps.contextTokens / 4));
  const room = roomOf(deps.contextTokens - maxOutputTokens, material);
  const { sources, tokens } = await packed(material, bounds.limit, room.sources);
  if (chat === null) throw new AiNotConfiguredError(sources);
  const begin: AnswerEvent = {
    kind: "sources",
    sources,
    missingFiles: material.missingFiles,
    degraded: material.degraded,
    model: chat.model,
  };
  if (sources.length === 0) {
    yield begin;
    yield { kind: "delta", text: NOTICES.empty };
    yield { kind: "done", answer: emptyAnswer(chat.model) };
    return;
  }
  const messages = promptFor({
    question: material.question,
    sources,
    history: room.history,
    boundary: deps.boundary(),
  });
  const others = [...room.history.map(({ content }) => content), material.question];
  const mostInputTokens = tokens + others.reduce((sum, text) => sum + utf8Length(text), RULES_TOKENS);
  const parts = chat.stream({ messages, mostInputTokens, maxOutputTokens }, signal);
  try {
    await parts.next();
    yield begin;
    const text = new AnswerText(sources);
    let end: ChatEnd | null = null;
    while (end === null) {
      const next = await parts.next();
      if (next.done) end = next.value;
      const safe = next.done ? text.end() : text.push(next.value);
      if (safe !== "") yield { kind: "delta", text: safe };
    }
    yield { kind: "done", answer: answerOf(text, end, chat.model) };
  } finally {
    await parts.return({ usage: null, finish: "stop" });
  }
}

/** What the rest of the prompt leaves for sources, and the newest turns that fit a quarter of it. */
function roomOf(inputTokens: number, { question, history }: Material) {
  const asked = estimateTokens(question);
  const kept: ChatMessage[] = [];
  let turns = 0;
  for (const message of [...history].reverse()) {
    const cost = estimateTokens(message.content) + 4;
    if (turns + cost > inputTokens / 4) break;
    turns += cost;
    kept.unshift(message);
  }
  const sources = Math.floor(inputTokens - RULES_TOKENS - asked - turns);
  if (sources < LEAST_SOURCE_TOKENS) {
    const message = "Leaves no room for sources in what the chat model takes (CHAT_CONTEXT_TOKENS).";
    throw new DevFlowError("invalid_request", `/max_output_tokens: ${message}`, {
      errors: [{ pointer: "/max_output_tokens", message }],
    });
  }
  return { history: kept, sources };
}

/** By bytes first, which no vocabulary exceeds; by the tokenizer where that says that there is too much. */
async function packed({ regions, extensions }: Material, limit: number, maxTokens: number): Promise<Packed> {
  const roughly = pack(regions, extensions, { limit, maxTokens, tokensOf: utf8Length });
  if (!roughly.crowded) return roughly;
  const tokenizer = await loadTokenizer();
  return pack(regions, extensions, { limit, maxTokens, tokensOf: (text) => tokenizer.count(text) });
}

function answerOf(text: AnswerText, { usage, finish }: ChatEnd, model: string): Answer {
  const grounded = text.citations.length > 0;
  const notices = [
    ...(grounded ? [] : [NOTICES.ungrounded]),
    ...(finish === "stop" ? [] : [NOTICES[finish]]),
  ];
  return {
    text: text.text,
    citations: text.citations,
    droppedCitations: text.dropped,
    grounded,
    notice: notices.length === 0 ? null : notices.join(" "),
    usage: usage ?? { inputTokens: 0, outputTokens: 0 },
    model,
    truncated: finish !== "stop",
  };
}

function emptyAnswer(model: string): Answer {
  return {
    text: NOTICES.empty,
    citations: [],
    droppedCitations: 0,
    grounded: false,
    notice: NOTICES.empty,
    usage: { inputTokens: 0, outputTokens: 0 },
    model,
    truncated: false,
  };
}
