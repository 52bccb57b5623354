/** One of the alternatives of an expression, a term or a phrase. */
export interface Alternative {
  /** As FTS5 takes it, quoted. */
  match: string;
  /** Chunks that hold it, and its inverse document frequency; null where nobody counted, as of a phrase. */
  known: { holders: number; rarity: number } | null;
}

type Term = { match: string; holders: number; rarity: number };

/** Limit that a term's part in BM25 tends to, in units of its rarity: k1 + 1, with FTS5's k1 of 1.2. */
const SATURATION = 2.2;
/** Below so many entries all of them are scored as fast. */
const FEWEST_ENTRIES = 5_000;
/** Rarest terms that are looked at one by one; a chunk is taken to hold all the others, as far as the bound goes. */
const TOLD_APART = 6;
/** Asked for at first: chunks whose terms have this share of the rarity that as many reach as are wanted. */
const FIRST_SHARE = 0.6;
/** Steps in which rarity is told apart for that. */
const LEVELS = 256;
/** Where too few chunks have so much: this share of it. */
const FEWER_SHARE = 0.55;
/** Between a bound and a score that is as high. */
const LESS = 0.999;

/**
 * Rarity that the terms of a chunk are to add up to, for a first try; null where trying saves nothing.
 * @param chunks of the workspace. @param limit hits that are wanted.
 */
export function firstLeast(
  alternatives: readonly Alternative[],
  chunks: number,
  limit: number,
): number | null {
  const terms = termsOf(alternatives);
  if (sum(terms.map(({ holders }) => holders)) < FEWEST_ENTRIES) return null;
  return FIRST_SHARE * reachedBy(terms, chunks, limit);
}

/** The rarity that so many chunks reach, if each term stood in chunks without regard to the others; mostly more do. */
function reachedBy(terms: readonly Term[], chunks: number, wanted: number): number {
  const step = sum(terms.map(({ rarity }) => rarity)) / LEVELS;
  let shares = new Float64Array(LEVELS + 1);
  shares[0] = 1;
  for (const { holders, rarity } of terms) {
    const share = Math.min(1, holders / chunks);
    const up = Math.floor(rarity / step);
    shares = shares.map((at, level) => at * (1 - share) + (shares[level - up] ?? 0) * share);
  }
  let reached = 0;
  for (let level = LEVELS; level > 0; level--) {
    reached += (shares[level] ?? 0) * chunks;
    if (reached >= wanted) return level * step;
  }
  return 0;
}

/**
 * What is to be asked for next. @param least that was asked for. @param last score of the last hit, where that many were
 * found: chunks that cannot score as much need not be looked at again. Null: too few were found.
 */
export function nextLeast(least: number, last: number | null): number {
  return last === null ? least * FEWER_SHARE : Math.min(least, last / SATURATION) * LESS;
}

/**
 * An expression for the chunks whose terms add up to `least` in rarity, or that hold a phrase, and what any other chunk
 * scores at most (after MaxScore: Turtle and Flood 1995). So the best of all are found by scoring these alone, where
 * the last of the hits scores more than the bound. Null where it would be all chunks, or none.
 */
export function strongOf(
  alternatives: readonly Alternative[],
  least: number,
): { match: string; bound: number } | null {
  const terms = termsOf(alternatives).sort((a, b) => b.rarity - a.rarity);
  const apart = terms.slice(0, TOLD_APART);
  const others = sum(terms.slice(TOLD_APART).map(({ rarity }) => rarity));
  const needed = least - others;
  let most = 0;

  /** For the terms from `i` on, beside others of the rarity `held`. */
  const build = (i: number, held: number): string | boolean => {
    if (held >= needed) return true;
    const term = apart[i];
    const possible = held + sum(apart.slice(i).map(({ rarity }) => rarity));
    if (term === undefined || possible < needed) {
      most = Math.max(most, possible);
      return false;
    }
    const beside = build(i + 1, held + term.rarity);
    const without = build(i + 1, held);
    const withIt = typeof beside === "string" ? `(${term.match} AND ${beside})` : beside && term.match;
    if (typeof withIt === "string" && typeof without === "string") return `(${withIt} OR ${without})`;
    return withIt === false ? without : withIt;
  };

  const match = build(0, 0);
  if (typeof match === "boolean") return null;
  const phrases = alternatives.filter(({ known }) => known === null).map((phrase) => phrase.match);
  return { match: [match, ...phrases].join(" OR "), bound: SATURATION * (most + others) };
}

/** Those that some chunk holds. */
function termsOf(alternatives: readonly Alternative[]): Term[] {
  return alternatives.flatMap(({ match, known }) =>
    known === null || known.holders === 0 ? [] : [{ match, ...known }],
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
