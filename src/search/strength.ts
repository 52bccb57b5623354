import type { LexicalHit, VectorHit } from "../core/ports.ts";
import type { Evidence } from "./fuse.ts";

/**
 * Cosines of one embedding model, as its texts of code have them: `unrelated` and below reads as 0, `same` and above
 * as 1.
 */
interface CosineScale {
  unrelated: number;
  same: number;
}

/**
 * all-MiniLM-L6-v2 spreads its cosines over the whole range. OpenAI's third generation stays lower and narrower: its
 * bounds are taken from published examples and were not measured here.
 */
const SCALES: readonly [model: RegExp, scale: CosineScale][] = [
  [/^text-embedding-3/, { unrelated: 0.1, same: 0.75 }],
  [/^text-embedding-ada/, { unrelated: 0.65, same: 0.95 }],
];
const PLAIN: CosineScale = { unrelated: 0, same: 1 };

/** Limit that a term's part in BM25 tends to, in units of its rarity: k1 + 1, with FTS5's k1 of 1.2. */
const SATURATION = 2.2;

/** Strengths by meaning: the cosine on the model's scale. */
export function denseEvidence(hits: readonly VectorHit[], model: string): Evidence[] {
  const { unrelated, same } = SCALES.find(([name]) => name.test(model))?.[1] ?? PLAIN;
  return hits.map(({ id, distance }) => ({
    id,
    strength: unit((1 - distance - unrelated) / (same - unrelated)),
  }));
}

/**
 * Strengths by words: BM25 over the greatest that the query allows, reached by a chunk that repeats each of its terms
 * without end. The share of what the query asks for that the chunk holds, rare terms counting for more. Terms that no
 * chunk holds are the rarest, so a query about something else comes out low.
 * @param rarity inverse document frequencies of the query's terms.
 */
export function lexicalEvidence(hits: readonly LexicalHit[], rarity: readonly number[]): Evidence[] {
  const greatest = SATURATION * rarity.reduce((sum, idf) => sum + idf, 0);
  return hits.map(({ id, bm25 }) => ({ id, strength: greatest > 0 ? unit(bm25 / greatest) : 0 }));
}

const unit = (value: number) => Math.min(1, Math.max(0, value));
