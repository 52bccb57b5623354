import { readFile } from "node:fs/promises";
import { TokenizerLoader } from "@lenml/tokenizers";
import { MAX_TOKENS } from "./model.ts";

/**
 * UTF-16 units of a text that are looked at: far more than the tokens that the model reads ever span in text
 * or code, and a bound on the work for a text of megabytes.
 */
const MAX_LENGTH = 16_384;

/** @returns token ids from [CLS] to [SEP], at most 256: the text's beginning. */
export type Tokenizer = (text: string) => readonly number[];

/** @param path a `tokenizer.json` in the format of Hugging Face's tokenizers. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const tokenizer = TokenizerLoader.fromPreTrained({
    tokenizerJSON: JSON.parse(await readFile(path, "utf8")),
    tokenizerConfig: { tokenizer_class: "BertTokenizer" },
  });
  return (text) => {
    const ids: number[] = tokenizer.encode(text.slice(0, MAX_LENGTH));
    if (ids.length <= MAX_TOKENS) return ids;
    return [...ids.slice(0, MAX_TOKENS - 1), ...ids.slice(-1)];
  };
}
