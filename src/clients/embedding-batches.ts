import { loadTokenizer, type Tokenizer } from "../core/tokenizer.ts";
import { maxTokensOf, truncateUtf8 } from "../core/tokens.ts";

/** OpenAI's bounds of one request: https://platform.openai.com/docs/api-reference/embeddings/create */
const MAX_INPUTS = 2048;
const MAX_REQUEST_TOKENS = 300_000;
/** Text beyond eight bytes a token is cut before anything else: no usual text has fewer tokens than that. */
const BYTES_PER_TOKEN = 8;

export interface BatchOptions {
  model: string;
  /** Tokens that the model reads of one input. */
  maxTokens: number;
}

/**
 * The texts as a provider takes them (no empty input, well-formed Unicode, no longer than the model reads), in order,
 * in requests as full as its bounds allow. For OpenAI's models tokens are counted by their own vocabulary wherever
 * bytes do not settle it, for a token is a byte at least: most calls never load the tokenizer. Other vocabularies are
 * not known here: their tokens are taken for bytes, which cannot lie low.
 */
export async function embeddingBatches(
  texts: readonly string[],
  { model, maxTokens }: BatchOptions,
): Promise<string[][]> {
  const inputs = texts.map((text) => wellFormed(truncateUtf8(text, maxTokens * BYTES_PER_TOKEN)));
  const bytes = inputs.map(maxTokensOf);
  const fits = bytes.every((most) => most <= maxTokens) && sum(bytes) <= MAX_REQUEST_TOKENS;
  if (fits || !countsByCl100k(model)) return inRequests(inputs, bytes);
  const tokenizer = await loadTokenizer();
  const cut = inputs.map((input, i) =>
    (bytes[i] ?? 0) <= maxTokens ? input : wellFormed(tokenizer.truncate(input, maxTokens)),
  );
  return inRequests(cut, countsOf(cut, tokenizer));
}

/** Counted by tokens only where bytes would need more than one request. */
function countsOf(inputs: readonly string[], { count }: Tokenizer): number[] {
  const bytes = inputs.map(maxTokensOf);
  return sum(bytes) <= MAX_REQUEST_TOKENS ? bytes : inputs.map(count);
}

/** OpenAI's embedding models, of this generation and the last. */
function countsByCl100k(model: string): boolean {
  return model.startsWith("text-embedding-3-") || model === "text-embedding-ada-002";
}

function wellFormed(text: string): string {
  const whole = text.toWellFormed();
  return whole.trim() === "" ? "-" : whole;
}

function inRequests(inputs: readonly string[], costs: readonly number[]): string[][] {
  const out: string[][] = [];
  let batch: string[] = [];
  let tokens = 0;
  for (const [i, input] of inputs.entries()) {
    const cost = costs[i] ?? 0;
    if (batch.length > 0 && (batch.length >= MAX_INPUTS || tokens + cost > MAX_REQUEST_TOKENS)) {
      out.push(batch);
      batch = [];
      tokens = 0;
    }
    batch.push(input);
    tokens += cost;
  }
  if (batch.length > 0) out.push(batch);
  return out;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
