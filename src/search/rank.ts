import type { SymbolHit } from "../core/ports.ts";
import type { Evidence, Ranked } from "./fuse.ts";

/** By meaning alone: the score is the strength. */
export function rankVectors(evidence: readonly Evidence[]): Ranked[] {
  return evidence.map(({ id, strength }, i) => ({
    id,
    score: strength,
    ranks: { vector: i + 1, lexical: null },
  }));
}

/** By words alone: the score is the strength. */
export function rankLexical(evidence: readonly Evidence[]): Ranked[] {
  return evidence.map(({ id, strength }, i) => ({
    id,
    score: strength,
    ranks: { vector: null, lexical: i + 1 },
  }));
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
