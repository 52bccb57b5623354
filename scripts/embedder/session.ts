import { InferenceSession, Tensor } from "onnxruntime-node";
import { DIMENSIONS } from "./model.ts";
import { saturatesByteProducts } from "./processor.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface Embedded {
  /** The embeddings one after the other, 384 numbers each. */
  vectors: Float32Array;
  /** Tokens that the model read, [CLS] and [SEP] of each text among them. */
  tokens: number;
}

/** Embeds texts on the calling thread, which it blocks: about 10 ms for a text of 90 tokens. */
export class EmbeddingSession {
  readonly #session: InferenceSession;
  readonly #tokenize: Tokenizer;

  private constructor(session: InferenceSession, tokenize: Tokenizer) {
    this.#session = session;
    this.#tokenize = tokenize;
  }

  static async open(model: string | Uint8Array, tokenize: Tokenizer): Promise<EmbeddingSession> {
    const options: InferenceSession.SessionOptions = {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: "sequential",
      extra: { session: { x64quantprecision: saturatesByteProducts() ? "1" : "0" } },
    };
    const session =
      typeof model === "string"
        ? await InferenceSession.create(model, options)
        : await InferenceSession.create(model, options);
    return new EmbeddingSession(session, tokenize);
  }

  /**
   * One text at a time: an embedding then depends on its text alone, bit for bit, and nothing is padded.
   * Batches of 4 and 16 were no faster for texts of 80 tokens, the threads being kept busy otherwise.
   */
  async embed(texts: readonly string[]): Promise<Embedded> {
    const vectors = new Float32Array(texts.length * DIMENSIONS);
    let tokens = 0;
    for (const [index, text] of texts.entries()) {
      const ids = this.#tokenize(text);
      const input = new Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
      const { embedding } = await this.#session.run({ input_ids: input });
      if (!(embedding?.data instanceof Float32Array)) throw new Error("The model gave no embedding");
      vectors.set(embedding.data, index * DIMENSIONS);
      tokens += ids.length;
    }
    return { vectors, tokens };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
