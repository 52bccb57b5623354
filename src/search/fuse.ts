import type { QueryKind } from "./query-kind.ts";

/** One entry of a leg, best first. `strength`: 0..1, on a scale that holds from one query to the next. */
export interface Evidence {
  id: string;
  strength: number;
}

export interface Ranked {
  id: string;
  /** 0..1, higher is better. */
  score: number;
  /** Place in each leg, from 1; null where the leg does not hold it. */
  ranks: { vector: number | null; lexical: number | null };
}

/**
 * What both legs are worth, 0..1: the share of the dense one, by the kind of the query. Chosen on the tuning sets of
 * docs/search.md for questions; a name, a path or a message of an error is written as it stands in the code, so there
 * words count for more.
 */
export const DENSE_SHARE: Readonly<Record<QueryKind, number>> = {
  question: 0.7,
  error: 0.5,
  identifier: 0.4,
  path: 0.4,
};

/** Exponent of the lexical strength, 1 and up (1.5): above 1, a chunk that holds few of the words counts for less. */
const LEXICAL_EXPONENT = 1.5;

/**
 * Convex fusion of two rankings on absolute scales: w·dense + (1−w)·lexical^1.5. Unlike a min-max sum (Bruch, Gai,
 * Ingber 2022) it does not raise the best hit of a leg that found nothing good to 1, so a weak leg cannot drown a
 * strong one; where the legs agree, both add up. What the dense leg does not hold is at most as near as its last hit;
 * what the lexical leg does not hold counts 0 there.
 * @param w share of the dense leg, 0..1. A leg without hits has no say: the other then has all of it.
 * @returns by falling score; ties keep the dense order, then the lexical.
 */
export function fuse(dense: readonly Evidence[], lexical: readonly Evidence[], w: number): Ranked[] {
  const share = lexical.length === 0 ? 1 : dense.length === 0 ? 0 : w;
  const farthest = dense.at(-1)?.strength ?? 0;
  const fused = new Map<string, Ranked>();
  for (const [i, { id, strength }] of dense.entries()) {
    fused.set(id, { id, score: share * strength, ranks: { vector: i + 1, lexical: null } });
  }
  for (const [i, { id, strength }] of lexical.entries()) {
    const known = fused.get(id) ?? {
      id,
      score: share * farthest,
      ranks: { vector: null, lexical: null },
    };
    known.score = Math.min(1, known.score + (1 - share) * strength ** LEXICAL_EXPONENT);
    known.ranks.lexical = i + 1;
    fused.set(id, known);
  }
  // The sort is stable, and the map holds the dense order before the lexical.
  return [...fused.values()].sort((a, b) => b.score - a.score);
}
