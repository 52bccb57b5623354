/** One of the alternatives of an expression, a term or a phrase. */
export interface Alternative {
  /** As FTS5 takes it, quoted. */
  match: string;
  /** Chunks that hold it, and its inverse document frequency; null where nobody counted, as of a phrase. */
  known: { holders: number; rarity: number } | null;
}

/** Limit that a term's part in BM25 tends to, in units of its rarity: k1 + 1, with FTS5's k1 of 1.2. */
const SATURATION = 2.2;
/** Below so many entries all of them are scored as fast. */
const FEWEST_ENTRIES = 5_000;
/** Only where at most this share of the entries is left to score. */
const GREATEST_SHARE = 0.7;
/** The common ones may have no more than this share of what the rare ones can add up to, or the best would not do. */
const GREATEST_BOUND = 0.9;

/**
 * The rare ones of the alternatives: those that hold none of them score `bound` at most, and need not be scored once
 * so many others score more (MaxScore: Turtle and Flood 1995). Null where that would save little.
 * @param limit hits that are wanted.
 */
export function rareOf(
  alternatives: readonly Alternative[],
  limit: number,
): { match: string; bound: number } | null {
  const phrases = alternatives.filter(({ known }) => known === null).map(({ match }) => match);
  const counted = alternatives
    .flatMap(({ match, known }) => (known === null ? [] : [{ match, ...known }]))
    .sort((a, b) => b.rarity - a.rarity);
  const entries = counted.reduce((sum, { holders }) => sum + holders, 0);
  if (entries < FEWEST_ENTRIES) return null;
  let left = counted.reduce((sum, { rarity }) => sum + rarity, 0);
  let taken = 0;
  let held = 0;
  for (const [i, { rarity, holders }] of counted.entries()) {
    left -= rarity;
    taken += rarity;
    held += holders;
    if (held > GREATEST_SHARE * entries) return null;
    if (held < limit || left > GREATEST_BOUND * taken) continue;
    const rare = [...counted.slice(0, i + 1).map(({ match }) => match), ...phrases];
    return { match: rare.join(" OR "), bound: SATURATION * left };
  }
  return null;
}
