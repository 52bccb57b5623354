import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { documentedFunctions, withoutDocComments } from "../eval/documented-functions.ts";
import { DIMENSIONS } from "../scripts/embedder/model.ts";
import { provideModel, TOKENIZER_PATH } from "../scripts/embedder/model-file.ts";
import { EmbeddingPool } from "../scripts/embedder/pool.ts";
import type { Chunk } from "../src/core/chunk.ts";
import { spaceIdentifiers } from "../src/core/identifiers.ts";
import { extensionOf, languageOf } from "../src/core/languages.ts";
import { chunkLines } from "../src/indexing/chunk-lines.ts";
import { embeddedText } from "../src/indexing/embedded-text.ts";
import { blocksOf } from "../src/indexing/syntax/blocks-of.ts";
import { chunkBlocks } from "../src/indexing/syntax/chunk-syntax.ts";
import { parsersInNode } from "../test/support/grammars.ts";

/**
 * Compares ways of cutting and of heading the embedded text, by vectors alone: functions are looked for by the first
 * sentence of their doc comments, which are taken out of the files. Prints how often the function's lines, and its
 * file, are among the first ten.
 *
 *   node bench/chunking.ts --queries 300 GIT_FOLDER…
 */
const { values, positionals } = parseArgs({
  options: {
    queries: { type: "string", default: "300" },
    cache: { type: "string", default: ".devflow/models" },
  },
  allowPositionals: true,
});
/** Tokens of a chunk at most: what is left of the local model's 256 by its path. */
const MAX_TOKENS = 190;

interface Query {
  text: string;
  path: string;
  startLine: number;
  endLine: number;
}
interface Placed extends Chunk {
  path: string;
}
interface Variant {
  name: string;
  chunks: Placed[];
  text(chunk: Placed): string;
}

const sources = new Map<string, string>();
const all: Query[] = [];
for (const folder of positionals) {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", folder, ...args], { encoding: "utf8", maxBuffer: 1 << 28 });
  for (const path of git("ls-tree", "-r", "--name-only", "HEAD").split("\n")) {
    const extension = extensionOf(path);
    if (!["ts", "tsx", "py", "go", "rs"].includes(extension) || /test|\.d\.ts$|benchmark/.test(path))
      continue;
    const original = git("show", `HEAD:${path}`);
    if (documentedFunctions(original, extension).length === 0 && sources.size > 150) continue;
    const { source, functions } = withoutDocComments(original, extension);
    sources.set(path, source);
    for (const { sentence, startLine, endLine } of functions) {
      if (sentence.split(" ").length >= 4) all.push({ text: sentence, path, startLine, endLine });
    }
  }
}
const step = Math.max(1, all.length / Number(values.queries));
const queries = all.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));

const parsers = parsersInNode();
const lines: Placed[] = [];
const syntax: Placed[] = [];
const alone: Placed[] = [];
for (const [path, source] of sources) {
  const placed = (chunks: Chunk[]) => chunks.map((chunk) => ({ ...chunk, path }));
  lines.push(...placed(chunkLines(source, { maxTokens: MAX_TOKENS })));
  const cut = async (aloneTokens: number, runTokens: number) => {
    const blocks = (await blocksOf(source, languageOf(path), parsers.forMessage())) ?? [];
    return placed(chunkBlocks(source, blocks, { maxTokens: MAX_TOKENS, aloneTokens, runTokens }));
  };
  syntax.push(...(await cut(24, 96)));
  alone.push(...(await cut(0, 0)));
}

const headed = (path: (path: string) => string) => (chunk: Placed) => embeddedText(path(chunk.path), chunk);
const lastTwo = (path: string) => path.split("/").slice(-2).join("/");
const unsigned = (chunk: Placed) => embeddedText(chunk.path, { ...chunk, signature: null });
const variants: Variant[] = [
  { name: "lines, whole path", chunks: lines, text: headed((path) => path) },
  { name: "syntax, whole path", chunks: syntax, text: headed((path) => path) },
  { name: "syntax, last two segments", chunks: syntax, text: headed(lastTwo) },
  { name: "syntax, no path", chunks: syntax, text: headed(() => "") },
  { name: "syntax, whole path without signature", chunks: syntax, text: unsigned },
  { name: "syntax, each definition alone", chunks: alone, text: headed((path) => path) },
];

const pool = await EmbeddingPool.open(
  { modelPath: await provideModel(values.cache), tokenizerPath: TOKENIZER_PATH },
  2,
  (failure) => {
    throw failure;
  },
);
const known = new Map<string, Float32Array>();
console.log(`${sources.size} files, ${queries.length} of ${all.length} functions`);
console.log(
  "| cut and head | chunks | function in first 10 | MRR@10 | file in first 10 |\n| --- | --- | --- | --- | --- |",
);
const asked = await embed(queries.map(({ text }) => spaceIdentifiers(text)));
for (const { name, chunks, text } of variants) {
  const vectors = await embed(chunks.map(text));
  let [hits, reciprocal, files] = [0, 0, 0];
  for (const [i, query] of queries.entries()) {
    const q = asked[i] ?? new Float32Array();
    const best = vectors
      .map((vector, at) => ({ at, score: dot(q, vector) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 10)
      .map(({ at }) => chunks[at]);
    const rank = best.findIndex((chunk) => chunk !== undefined && holds(chunk, query));
    if (rank >= 0) {
      hits++;
      reciprocal += 1 / (rank + 1);
    }
    if (best.some((chunk) => chunk?.path === query.path)) files++;
  }
  const share = (count: number) => ((100 * count) / queries.length).toFixed(1);
  console.log(`| ${name} | ${chunks.length} | ${share(hits)} | ${share(reciprocal)} | ${share(files)} |`);
}
process.exit(0);

/** The chunk shows the function: at least half of its lines, or of the chunk's where the function is larger. */
function holds({ path, startLine, endLine }: Placed, query: Query): boolean {
  if (path !== query.path) return false;
  const shared = Math.min(endLine, query.endLine) - Math.max(startLine, query.startLine) + 1;
  return shared * 2 >= Math.min(query.endLine - query.startLine, endLine - startLine) + 1;
}

async function embed(texts: string[]): Promise<Float32Array[]> {
  const missing = [...new Set(texts)].filter((text) => !known.has(text));
  for (let i = 0; i < missing.length; i += 64) {
    const batch = missing.slice(i, i + 64);
    const { vectors } = await pool.embed(batch);
    batch.forEach((text, at) => {
      known.set(text, vectors.slice(at * DIMENSIONS, (at + 1) * DIMENSIONS));
    });
  }
  return texts.map((text) => known.get(text) ?? new Float32Array());
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
