import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { MAX_TOKENS } from "../../../scripts/embedder/model.ts";
import { TOKENIZER_PATH } from "../../../scripts/embedder/model-file.ts";
import { loadTokenizer, type Tokenizer } from "../../../scripts/embedder/tokenizer.ts";

const CLS = 101;
const SEP = 102;
const UNKNOWN = 100;

let tokenize: Tokenizer;
beforeAll(async () => {
  tokenize = await loadTokenizer(TOKENIZER_PATH);
});

describe("tokenizer", () => {
  // Ids of bert-base-uncased's vocabulary, as Hugging Face's BertTokenizer gives them.
  it.each([
    ["Hello, world!", [7592, 1010, 2088, 999]],
    ["unaffable", [14477, 20961, 3468]],
    ["naïve café", [15743, 7668]],
    ["x = y+1;", [1060, 1027, 1061, 1009, 1015, 1025]],
    ["漢字", [1904, 100]],
    ["a\u0000b\ufffdc", [5925]],
    ["\ttabs\nand  spaces ", [21628, 2015, 1998, 7258]],
    ["", []],
    ["x".repeat(101), [UNKNOWN]],
  ])("reads %j as BERT does", (text, ids) => {
    expect(tokenize(text)).toEqual([CLS, ...ids, SEP]);
  });

  it("keeps the beginning of a text that is longer than the model reads", () => {
    const ids = tokenize("word ".repeat(1_000));
    expect(ids).toHaveLength(MAX_TOKENS);
    expect(ids.at(0)).toBe(CLS);
    expect(ids.at(-1)).toBe(SEP);
    expect(new Set(ids.slice(1, -1))).toEqual(new Set([2773]));
  });

  it("does no more work for megabytes than for what the model reads", () => {
    const began = performance.now();
    expect(tokenize("const answer = 42;\n".repeat(200_000))).toHaveLength(MAX_TOKENS);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it("takes any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 600 }), (text) => {
        const ids = tokenize(text);
        expect(ids.length).toBeLessThanOrEqual(MAX_TOKENS);
        expect([ids.at(0), ids.at(-1)]).toEqual([CLS, SEP]);
      }),
    );
  });
});
