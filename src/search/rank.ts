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

/** The exact name 1, in another case 0.9, and a longer one 0.3 to 0.8 by how much of it was asked for. */
export function rankSymbols(hits: SymbolHit[], nameLength: number): Ranked[] {
  return hits.map(({ id, match, length }) => ({
    id,
    score:
      match === "exact" ? 1 : match === "other_case" ? 0.9 : 0.3 + 0.5 * Math.min(1, nameLength / length),
    ranks: { vector: null, lexical: null },
  }));
}
