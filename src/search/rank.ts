import type { LexicalHit, SymbolHit, VectorHit } from "../core/ports.ts";
import { fuse, type Ranked } from "./fuse.ts";

/** By meaning alone. The score is the cosine of the two vectors, 0 where they point apart. */
export function rankVectors(hits: VectorHit[]): Ranked[] {
  return hits.map(({ id, distance }, i) => ({
    id,
    score: Math.min(1, Math.max(0, 1 - distance)),
    ranks: { vector: i + 1, lexical: null },
  }));
}

/** By words alone. BM25 has no scale of its own: the score is the share of the best hit's. */
export function rankLexical(hits: LexicalHit[]): Ranked[] {
  const best = hits[0]?.bm25 ?? 0;
  return hits.map(({ id, bm25 }, i) => ({
    id,
    score: best > 0 ? Math.min(1, Math.max(0, bm25 / best)) : 1,
    ranks: { vector: null, lexical: i + 1 },
  }));
}

export function rankBoth(vectors: VectorHit[], lexical: LexicalHit[]): Ranked[] {
  return fuse(
    vectors.map(({ id, distance }) => ({ id, score: 1 - distance })),
    lexical.map(({ id, bm25 }) => ({ id, score: bm25 })),
  );
}

/**
 * The exact name 1, in another case or convention 0.9, a longer one 0.3 to 0.8 by how much of it was asked for, and
 * one whose words begin so 0.1 to 0.3.
 */
export function rankSymbols(hits: SymbolHit[], nameLength: number): Ranked[] {
  return hits.map((hit) => ({
    id: hit.id,
    score: symbolScore(hit, nameLength),
    ranks: { vector: null, lexical: null },
  }));
}

function symbolScore({ match, length }: SymbolHit, nameLength: number): number {
  const share = Math.min(1, nameLength / length);
  if (match === "exact") return 1;
  if (match === "other_case") return 0.9;
  return match === "prefix" ? 0.3 + 0.5 * share : 0.1 + 0.2 * share;
}
