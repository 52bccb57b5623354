import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { languageOf } from "../../../src/core/languages.ts";
import { loadTokenizer } from "../../../src/core/tokenizer.ts";
import { estimateIndexing } from "../../../src/files/estimate.ts";
import { chunkSource } from "../../../src/indexing/chunk-source.ts";
import { embeddedText } from "../../../src/indexing/embedded-text.ts";
import { parsersInNode } from "../../support/grammars.ts";

const ROOT = join(import.meta.dirname, "../../..");
const parsers = parsersInNode();

/** What indexing the files makes: chunks, and tokens as OpenAI counts them. */
async function made(paths: readonly string[], modelMaxTokens: number) {
  const tokenizer = await loadTokenizer();
  let [chunks, tokens] = [0, 0];
  for (const path of paths) {
    const source = readFileSync(join(ROOT, path), "utf8");
    const cut = await chunkSource(source, languageOf(path), path, modelMaxTokens, parsers.forMessage());
    chunks += cut.chunks.length;
    for (const chunk of cut.chunks) tokens += tokenizer.count(embeddedText(path, chunk));
  }
  return { chunks, tokens };
}

describe("estimateIndexing", () => {
  it.each([
    ["src/files/*.ts", 256],
    ["src/files/*.ts", 8191],
    ["cli/*.ts", 256],
    ["test/unit/core/*.ts", 8191],
    ["docs/*.md", 256],
  ])("is off by a third at most for %s, where the model reads %d tokens", async (pattern, modelMaxTokens) => {
    const paths = globSync(pattern, { cwd: ROOT });
    const files = paths.map((path) => ({ size: readFileSync(join(ROOT, path)).length }));
    const estimate = estimateIndexing(files, { priceMicrousd: 20_000, modelMaxTokens });
    const actual = await made(paths, modelMaxTokens);
    expect(estimate.chunks / actual.chunks).toBeGreaterThan(0.75);
    expect(estimate.chunks / actual.chunks).toBeLessThan(1.34);
    expect(estimate.tokens / actual.tokens).toBeGreaterThan(0.75);
    expect(estimate.tokens / actual.tokens).toBeLessThan(1.34);
  });

  it("counts a chunk for each file, however small, and rounds money up", () => {
    const options = { priceMicrousd: 20_000, modelMaxTokens: 8191 };
    expect(estimateIndexing([{ size: 1 }, { size: 5 }], options)).toEqual({
      files: 2,
      bytes: 6,
      chunks: 2,
      tokens: 2,
      costMicrousd: 1,
    });
  });
});
