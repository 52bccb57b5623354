import { renderSource } from "./prompt.ts";
import { joined, type Region, type Source } from "./source.ts";

export interface PackRequest {
  /** Sources at most. */
  limit: number;
  /** Tokens of all sources together, as they are shown to the model. */
  maxTokens: number;
  /** Tokens of a text, or more; the bytes, for one, which no vocabulary exceeds. */
  tokensOf(text: string): number;
}

export interface Packed {
  sources: Source[];
  /** Tokens of all of them, by `tokensOf`. */
  tokens: number;
  /** Whether something was left out, or cut, for want of tokens. */
  crowded: boolean;
}

/** Of the room that the best region may take before it is cut: the others tell what it has to do with. */
const BEST_SHARE = 0.7;

/**
 * Fills the room with whole regions, best first; what touches a region that is in already becomes one with it. A region
 * that does not fit is passed over for smaller ones; the best is cut to as many lines as fit. `extensions` only make
 * regions longer that are in.
 */
export function pack(regions: Region[], extensions: Region[], request: PackRequest): Packed {
  const { limit, maxTokens } = request;
  const chosen: { region: Region; cost: number }[] = [];
  let tokens = 0;
  let crowded = false;
  const costOf = (region: Region) => request.tokensOf(renderSource({ ...region, n: limit }));
  const take = (region: Region, mayBegin: boolean) => {
    const place = chosen.findIndex(({ region: taken }) => joined(taken, region) !== null);
    if (place < 0 && (!mayBegin || chosen.length === limit)) return;
    const taken = chosen[place];
    const grown = taken === undefined ? region : (joined(taken.region, region) ?? region);
    const cost = costOf(grown);
    const after = tokens - (taken?.cost ?? 0) + cost;
    if (after > maxTokens) {
      crowded = true;
      return;
    }
    if (taken === undefined) chosen.push({ region: grown, cost });
    else chosen[place] = { region: grown, cost };
    tokens = after;
  };
  const [best, ...others] = regions;
  if (best !== undefined) {
    const cut = cutToFit(best, maxTokens * BEST_SHARE, costOf);
    crowded = cut !== best;
    if (cut !== null) take(cut, true);
  }
  for (const region of others) take(region, true);
  for (const region of extensions) take(region, false);
  const sources = apart(chosen.map(({ region }) => region)).map((region, i) => ({ ...region, n: i + 1 }));
  return { sources, tokens, crowded };
}

/** Regions that grew into each other are one. */
function apart(regions: Region[]): Region[] {
  const out: Region[] = [];
  for (const region of regions) {
    const place = out.findIndex((taken) => joined(taken, region) !== null);
    const taken = out[place];
    if (taken === undefined) out.push(region);
    else out[place] = joined(taken, region) ?? taken;
  }
  return out;
}

/** As many of the first lines as fit; null where not one does. */
function cutToFit(region: Region, maxTokens: number, costOf: (region: Region) => number): Region | null {
  if (costOf(region) <= maxTokens) return region;
  const first = (count: number): Region => ({
    ...region,
    endLine: Math.min(region.endLine, region.startLine + count - 1),
    lines: region.lines.slice(0, count),
  });
  let fits = 0;
  let tooMany = region.lines.length + 1;
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (costOf(first(middle)) <= maxTokens) fits = middle;
    else tooMany = middle;
  }
  return fits === 0 ? null : first(fits);
}
