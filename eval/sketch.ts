import { stemmer } from "stemmer";
import { spaceIdentifiers, splitIdentifiers } from "../src/core/identifiers.ts";
import type { Place } from "./metrics.ts";

/**
 * The baseline to beat: what a day's work gives. Files in windows of 40 lines; dense: the window with its identifiers
 * split and its path in front; lexical: BM25 over split and stemmed words of the window; fused by a min-max sum with
 * weight 0.5, plus 0.3 times the BM25 of the whole file.
 */
const WINDOW_LINES = 40;
const LEG_HITS = 100;
const DENSE_WEIGHT = 0.5;
const FILE_WEIGHT = 0.3;

export interface Embeddings {
  /** Unit vectors one after the other. */
  embed(texts: readonly string[]): Promise<{ vectors: Float32Array }>;
}

export interface SketchRankings {
  lexical: Place[];
  semantic: Place[];
  hybrid: Place[];
}

type Window = Place & { text: string };

export class Sketch {
  readonly #windows: Window[];
  readonly #vectors: Float32Array;
  readonly #words: Bm25;
  readonly #files: Bm25;
  readonly #paths: string[];
  readonly #embeddings: Embeddings;

  private constructor(
    files: readonly { path: string; text: string }[],
    windows: Window[],
    vectors: Float32Array,
    embeddings: Embeddings,
  ) {
    this.#windows = windows;
    this.#vectors = vectors;
    this.#words = new Bm25(windows.map(({ text }) => wordsOf(text)));
    this.#files = new Bm25(files.map(({ text }) => wordsOf(text)));
    this.#paths = files.map(({ path }) => path);
    this.#embeddings = embeddings;
  }

  static async over(
    files: readonly { path: string; text: string }[],
    embeddings: Embeddings,
  ): Promise<Sketch> {
    const windows = files.flatMap(windowsOf);
    const { vectors } = await embeddings.embed(
      windows.map(({ path, text }) => `${path}\n${spaceIdentifiers(text)}`),
    );
    return new Sketch(files, windows, vectors, embeddings);
  }

  async rank(query: string): Promise<SketchRankings> {
    const { vectors } = await this.#embeddings.embed([spaceIdentifiers(query)]);
    const dense = best(cosines(this.#vectors, vectors));
    const lexical = best(this.#words.scores(wordsOf(query)));
    const fileScores = this.#files.scores(wordsOf(query));
    const greatest = fileScores.reduce((a, b) => Math.max(a, b), 0);
    const ofFile = new Map(
      this.#paths.map((path, i) => [path, greatest > 0 ? (fileScores[i] ?? 0) / greatest : 0]),
    );
    const fused = new Map<number, number>();
    for (const [leg, weight] of [
      [dense, DENSE_WEIGHT],
      [lexical, 1 - DENSE_WEIGHT],
    ] as const) {
      const scores = leg.map(({ score }) => score);
      const [least, most] = [Math.min(...scores), Math.max(...scores)];
      for (const { at, score } of leg) {
        const share = most > least ? (score - least) / (most - least) : 1;
        fused.set(at, (fused.get(at) ?? 0) + weight * share);
      }
    }
    for (const [at, score] of fused) {
      fused.set(at, score + FILE_WEIGHT * (ofFile.get(this.#windows[at]?.path ?? "") ?? 0));
    }
    const hybrid = [...fused].sort((a, b) => b[1] - a[1]).map(([at]) => ({ at }));
    const places = (hits: readonly { at: number }[]) => hits.flatMap(({ at }) => this.#windows[at] ?? []);
    return { lexical: places(lexical), semantic: places(dense), hybrid: places(hybrid) };
  }
}

function windowsOf({ path, text }: { path: string; text: string }): Window[] {
  const lines = text.split("\n");
  const windows: Window[] = [];
  for (let start = 0; start < lines.length; start += WINDOW_LINES) {
    const piece = lines.slice(start, start + WINDOW_LINES);
    const body = piece.join("\n");
    if (body.trim() !== "")
      windows.push({ path, startLine: start + 1, endLine: start + piece.length, text: body });
  }
  return windows;
}

function wordsOf(text: string): string[] {
  return splitIdentifiers(text).map(stemmer);
}

function best(scores: Float64Array): { at: number; score: number }[] {
  return [...scores]
    .map((score, at) => ({ at, score }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, LEG_HITS);
}

function cosines(vectors: Float32Array, query: Float32Array): Float64Array {
  const out = new Float64Array(vectors.length / query.length);
  for (let at = 0; at < out.length; at++) {
    let sum = 0;
    for (let i = 0; i < query.length; i++) sum += (vectors[at * query.length + i] ?? 0) * (query[i] ?? 0);
    out[at] = sum;
  }
  return out;
}

/** BM25 (Robertson and Zaragoza 2009) with k1 1.2 and b 0.75, and an IDF that is never negative, as in Lucene. */
class Bm25 {
  readonly #postings = new Map<string, { at: number; times: number }[]>();
  readonly #lengths: number[];
  readonly #average: number;

  constructor(documents: string[][]) {
    this.#lengths = documents.map((words) => words.length);
    this.#average = this.#lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, documents.length);
    for (const [at, words] of documents.entries()) {
      const times = new Map<string, number>();
      for (const word of words) times.set(word, (times.get(word) ?? 0) + 1);
      for (const [word, count] of times) {
        const postings = this.#postings.get(word);
        if (postings) postings.push({ at, times: count });
        else this.#postings.set(word, [{ at, times: count }]);
      }
    }
  }

  scores(query: string[]): Float64Array {
    const scores = new Float64Array(this.#lengths.length);
    for (const word of new Set(query)) {
      const postings = this.#postings.get(word) ?? [];
      const idf = Math.log(1 + (this.#lengths.length - postings.length + 0.5) / (postings.length + 0.5));
      for (const { at, times } of postings) {
        const length = 0.25 + (0.75 * (this.#lengths[at] ?? 0)) / this.#average;
        scores[at] = (scores[at] ?? 0) + (idf * times * 2.2) / (times + 1.2 * length);
      }
    }
    return scores;
  }
}
