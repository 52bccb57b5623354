import type { LabelledQuery, Relevant } from "./labelled-set.ts";

/** One place of a ranking. Lines from 1, inclusive. */
export interface Place {
  path: string;
  startLine: number;
  endLine: number;
}

export const METRICS = ["recall@5", "recall@10", "mrr@10", "ndcg@10"] as const;
export type Metric = (typeof METRICS)[number];
export type Scores = Record<Metric, number>;

const CUTOFF = 10;

/**
 * Scores of one ranking, each 0..1, with binary relevance.
 * A query whose answers are files is judged by the list of distinct files, in the order of their first place; one whose
 * answers are lines by the places themselves, where a second hit on the same lines gains nothing and takes its place.
 * NDCG as in Järvelin and Kekäläinen (2002): gain 1, discount log2(rank + 1), over the best possible order.
 */
export function scoresOf(ranking: readonly Place[], { relevant }: Pick<LabelledQuery, "relevant">): Scores {
  const hits = relevant.every((answer) => typeof answer === "string")
    ? hitsOf(distinctFiles(ranking), relevant)
    : hitsOf(ranking, relevant);
  const best = Math.min(relevant.length, CUTOFF);
  const found = (cutoff: number) => hits.slice(0, cutoff).filter(Boolean).length;
  const first = hits.slice(0, CUTOFF).indexOf(true);
  let gain = 0;
  let ideal = 0;
  for (let i = 0; i < CUTOFF; i++) {
    const discounted = 1 / Math.log2(i + 2);
    if (hits[i]) gain += discounted;
    if (i < best) ideal += discounted;
  }
  return {
    "recall@5": found(5) / relevant.length,
    "recall@10": found(CUTOFF) / relevant.length,
    "mrr@10": first < 0 ? 0 : 1 / (first + 1),
    "ndcg@10": ideal === 0 ? 0 : gain / ideal,
  };
}

/** For each of the places whether it is an answer that none before it was. */
function hitsOf(ranking: readonly Place[], relevant: readonly Relevant[]): boolean[] {
  const open = new Set(relevant);
  return ranking.map((place) => {
    for (const answer of open) {
      if (!answers(place, answer)) continue;
      open.delete(answer);
      return true;
    }
    return false;
  });
}

/** Whether at least half of one lies in the other: a chunk that holds the function, or a good part of it. */
function answers(place: Place, answer: Relevant): boolean {
  if (typeof answer === "string") return place.path === answer;
  if (place.path !== answer.path) return false;
  const shared = Math.min(place.endLine, answer.end_line) - Math.max(place.startLine, answer.start_line) + 1;
  const shorter = Math.min(place.endLine - place.startLine, answer.end_line - answer.start_line) + 1;
  return shared > 0 && shared * 2 >= shorter;
}

function distinctFiles(ranking: readonly Place[]): Place[] {
  const seen = new Set<string>();
  return ranking.filter(({ path }) => !seen.has(path) && seen.add(path));
}

export interface Interval {
  mean: number;
  /** Bounds of the 95% interval. */
  low: number;
  high: number;
}

const RESAMPLES = 2000;

/**
 * Mean with its 95% percentile interval by bootstrap over queries (Efron 1979). Deterministic: the same values give the
 * same interval. For a difference between two systems, give the differences query by query (paired bootstrap).
 */
export function bootstrap(values: readonly number[]): Interval {
  const mean = average(values);
  if (values.length < 2) return { mean, low: mean, high: mean };
  let state = 0x9e3779b9;
  // mulberry32: small, and even enough to draw indexes.
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const means = Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(random() * values.length)] ?? 0;
    return sum / values.length;
  }).sort((a, b) => a - b);
  const at = (share: number) => means[Math.min(RESAMPLES - 1, Math.floor(share * RESAMPLES))] ?? mean;
  return { mean, low: at(0.025), high: at(0.975) };
}

export function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
