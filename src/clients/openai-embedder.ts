import { Buffer } from "node:buffer";
import { mapBounded } from "../core/bounded.ts";
import { PaidCallError } from "../core/budget.ts";
import { DevFlowError } from "../core/errors.ts";
import type { Embedder, Embeddings, Vector } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { truncateUtf8 } from "../core/tokens.ts";
import { embeddingBatches } from "./embedding-batches.ts";
import { parseRetryAfter } from "./retry.ts";
import { unavailable } from "./unavailable.ts";

export interface OpenAiEmbedderOptions {
  apiKey: Secret;
  baseUrl: string;
  model: string;
  /** Length of the vectors. */
  dimensions: number;
  /** Tokens that the model reads of one input. */
  maxTokens: number;
  /** Does time-outs and retries. */
  fetch: typeof fetch;
}

/** Requests side by side: a Worker has 6 connections, and the other stores need theirs. */
const WIDTH = 3;
const SERVICE = "The embedding service";

/**
 * Embeddings by the OpenAI API, or by any server that speaks it. One plain request: a search waits for it, and the SDK
 * (which the chat model is asked by) spends more on it than the rest of the search on its ranking.
 * Errors: `upstream_unavailable`, also where the answer does not fit the question (count, length, not a number);
 * each is a `PaidCallError` that says what was charged until then.
 */
export class OpenAiEmbedder implements Embedder {
  readonly model: string;
  readonly dimensions: number;
  readonly #maxTokens: number;
  readonly #apiKey: Secret;
  readonly #address: string;
  readonly #headers: Record<string, string>;
  readonly #send: typeof fetch;

  constructor(options: OpenAiEmbedderOptions) {
    this.model = options.model;
    this.dimensions = options.dimensions;
    this.#maxTokens = options.maxTokens;
    this.#apiKey = options.apiKey;
    this.#address = `${options.baseUrl.replace(/\/+$/, "")}/embeddings`;
    this.#headers = {
      "content-type": "application/json",
      accept: "application/json",
      authorization: `Bearer ${options.apiKey.reveal()}`,
    };
    this.#send = options.fetch;
  }

  async embed(texts: string[], signal?: AbortSignal): Promise<Embeddings> {
    const batches = await embeddingBatches(texts, { model: this.model, maxTokens: this.#maxTokens });
    const failures: unknown[] = [];
    // A failure does not abandon the requests beside it: what they cost is to be known.
    const answers = await mapBounded(batches, WIDTH, async (batch): Promise<Embeddings> => {
      if (failures.length > 0) return NOTHING;
      try {
        return await this.#embedBatch(batch, signal);
      } catch (cause) {
        failures.push(cause);
        return NOTHING;
      }
    });
    const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
    if (failures.length > 0) {
      throw new PaidCallError(this.#failure(failures[0]), failures.every(isAnswered) ? tokens : null);
    }
    return { vectors: answers.flatMap(({ vectors }) => vectors), tokens };
  }

  async #embedBatch(inputs: string[], signal: AbortSignal | undefined): Promise<Embeddings> {
    try {
      return await this.#request(inputs, signal);
    } catch (cause) {
      // A 400 is an input over the model's length, where the server does not cut it itself. A token is at least a
      // byte, so inputs of `maxTokens` bytes pass whatever the vocabulary.
      const shorter = inputs.map((input) => truncateUtf8(input, this.#maxTokens));
      const overLong = shorter.some((input, i) => input.length !== inputs[i]?.length);
      if (!(cause instanceof EmbeddingStatusError && cause.status === 400 && overLong)) throw cause;
      return await this.#request(shorter, signal);
    }
  }

  #failure(cause: unknown): DevFlowError {
    if (cause instanceof DevFlowError) return cause;
    const retryAfterMs = cause instanceof EmbeddingStatusError ? cause.retryAfterMs : null;
    return unavailable(SERVICE, cause, this.#apiKey, retryAfterMs);
  }

  async #request(input: string[], signal: AbortSignal | undefined): Promise<Embeddings> {
    const answer = await this.#send(this.#address, {
      method: "POST",
      headers: this.#headers,
      body: JSON.stringify({
        model: this.model,
        input,
        // A third of the bytes of numbers, and no array is made of them.
        encoding_format: "base64",
        // Only these models can shorten their vectors; others refuse the parameter.
        ...(this.model.startsWith("text-embedding-3-") ? { dimensions: this.dimensions } : {}),
      }),
      ...(signal ? { signal } : {}),
    });
    if (!answer.ok) {
      const retryAfterMs = parseRetryAfter(answer.headers.get("retry-after"), Date.now());
      throw new EmbeddingStatusError(answer.status, await answer.text(), retryAfterMs);
    }
    const response = (await answer.json()) as EmbeddingAnswer;
    const vectors = new Array<Vector>(input.length);
    for (const { index, embedding } of response.data ?? []) {
      const vector = vectorOf(embedding);
      if (vector.length !== this.dimensions) throw malformed(`a vector of ${vector.length} numbers`);
      vectors[index] = toUnitLength(vector);
    }
    for (let i = 0; i < input.length; i++) {
      if (vectors[i] === undefined) throw malformed(`no vector for input ${i} of ${input.length}`);
    }
    return { vectors, tokens: response.usage?.total_tokens ?? response.usage?.prompt_tokens ?? 0 };
  }
}

/** The provider said no: then it charges nothing. Silence may be an answer that was lost. */
function isAnswered(cause: unknown): boolean {
  return cause instanceof EmbeddingStatusError;
}

/** What we read of the API's answer, none of it certain. */
interface EmbeddingAnswer {
  data?: { index: number; embedding: unknown }[];
  usage?: { prompt_tokens?: number; total_tokens?: number };
}

/** An answer other than 2xx, with the server's words: for the log only. */
class EmbeddingStatusError extends Error {
  readonly status: number;
  readonly retryAfterMs: number | null;

  constructor(status: number, body: string, retryAfterMs: number | null) {
    super(`the embedding service answered ${status}: ${body.slice(0, 500)}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

const NOTHING: Embeddings = { vectors: [], tokens: 0 };

/** Scaled to length 1, so that cosine distance and dot product agree whatever the provider does. */
function toUnitLength(vector: Float32Array): Vector {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += (vector[i] ?? 0) ** 2;
  const length = Math.sqrt(squares);
  if (!Number.isFinite(length) || length === 0) throw malformed("a vector without a direction");
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] ?? 0) / length;
  return vector;
}

/** Little-endian float32 in base64, or numbers, as servers answer that do not know the other. */
function vectorOf(embedding: unknown): Float32Array {
  if (typeof embedding !== "string") return Float32Array.from(embedding as number[]);
  const bytes = Buffer.from(embedding, "base64");
  return new Float32Array(new Uint8Array(bytes).buffer, 0, bytes.length >> 2);
}

function malformed(what: string): DevFlowError {
  return unavailable(SERVICE, new Error(`the embedding service answered ${what}`), null);
}
