import { splitIdentifiers } from "../core/identifiers.ts";
import { languagesOf } from "../core/path-words.ts";
import type { StoredChunk } from "../core/ports.ts";
import type { Ranked } from "./fuse.ts";
import { rememberingStems } from "./lexical-query.ts";
import { isTest } from "./test-paths.ts";

/** What a query looks for, as names are compared with it. */
export interface QueryTerms {
  /** Stems of its telling words and whole identifiers, with the inverse document frequency of each. */
  rarity: ReadonlyMap<string, number>;
  /** Stems of all its words: `is` in `isWeekend` is no miss where the query has it. */
  words: ReadonlySet<string>;
  /** Whether it looks for tests. */
  tests: boolean;
}

/** First places of the fused ranking that are looked at again, their chunks at hand. */
export const REFINED = 60;

/** Each added to the fused score, 0 and up, at most this much. Chosen on the tuning sets of docs/search.md. */
const WEIGHTS = {
  /** A name that the chunk defines says what was asked for. */
  symbol: 0.2,
  /** So does the name of its file (of its folder, for an index file). */
  file: 0.1,
  /** Other chunks of the file answer too. */
  neighbours: 0.1,
};
/** Exponent of a symbol's agreement, 1 and up: above 1, a name that agrees in part counts for less. */
const SYMBOL_EXPONENT = 1.5;
/** Places that stand where they stand, and what each further one keeps of its score, 0..1: 0.95, 0.9025 … */
const CROWD = {
  /** Chunks of one file. */
  file: { free: 4, kept: 0.95 },
  /** Pieces of one long definition. */
  definition: { free: 1, kept: 0.7 },
};
/** What a chunk of a test keeps of its score, 0..1, where nobody asks for tests: they use what is asked for by its name. */
const TEST_KEPT = 0.85;
const GREATEST = 1 + WEIGHTS.symbol + WEIGHTS.file + WEIGHTS.neighbours;
/** What the best, second and third chunk of a file say of it. */
const NEIGHBOURS = [1, 0.5, 0.25];
/** A file of one of these names is called by its folder. */
const UNTELLING = /^(?:index|mod|main|lib|__init__)$/;

/**
 * Sorts the first places of a fused ranking again, by what the legs cannot see: how well the names of a chunk's symbol
 * and file say what was asked for and no more (BM25 counts what of the query a name holds, never what of the name the
 * query does not), and whether other chunks of its file answer too; tests step back, and then chunks of a file that has
 * several places already. All scores stay 0..1, on one scale.
 * @param chunks of the first `REFINED` places; stale ids are missing.
 */
export function refine(
  ranking: readonly Ranked[],
  chunks: ReadonlyMap<string, StoredChunk>,
  query: QueryTerms,
): Ranked[] {
  const neighbours = neighbourStrengths(ranking, chunks);
  const agreement = agreementWith(query);
  const files = new Map<string, number>();
  for (const { path } of chunks.values()) {
    if (!files.has(path)) files.set(path, fileAgreement(path, agreement));
  }
  const sorted = ranking
    .map((ranked) => {
      const chunk = chunks.get(ranked.id);
      if (chunk === undefined) return { ...ranked, score: ranked.score / GREATEST };
      const added =
        WEIGHTS.symbol * symbolAgreement(chunk, agreement) ** SYMBOL_EXPONENT +
        WEIGHTS.file * (files.get(chunk.path) ?? 0) +
        WEIGHTS.neighbours * (neighbours.get(chunk.path) ?? 0);
      const score = Math.min(1, (ranked.score + added) / GREATEST);
      return { ...ranked, score: isTest(chunk.path) && !query.tests ? score * TEST_KEPT : score };
    })
    .sort((a, b) => b.score - a.score);
  return withoutCrowds(sorted, chunks);
}

/**
 * Ten chunks of one file are one answer: from the fifth on they make way for other files of nearly the same score. So do
 * the pieces of one long definition from the second on: each bears its name, and so would fill a page by it.
 */
function withoutCrowds(ranking: readonly Ranked[], chunks: ReadonlyMap<string, StoredChunk>): Ranked[] {
  const places = new Map<string, number>();
  const share = (key: string, { free, kept }: { free: number; kept: number }) => {
    const place = (places.get(key) ?? 0) + 1;
    places.set(key, place);
    return kept ** Math.max(0, place - free);
  };
  return ranking
    .map((ranked) => {
      const chunk = chunks.get(ranked.id);
      if (chunk === undefined) return ranked;
      const { path, symbol, parent, kind } = chunk;
      const ofFile = share(path, CROWD.file);
      const ofDefinition =
        symbol === null ? 1 : share(JSON.stringify([path, kind, parent, symbol]), CROWD.definition);
      return { ...ranked, score: ranked.score * Math.min(ofFile, ofDefinition) };
    })
    .sort((a, b) => b.score - a.score);
}

/** Of the names that the chunk defines, the one that agrees best. */
function symbolAgreement({ symbol, names }: StoredChunk, agreement: Agreement): number {
  const own = symbol === null ? [] : [symbol];
  return Math.max(0, ...[...own, ...(names ?? [])].map(agreement));
}

/** Of the names of the file, the one that agrees best: its own, and that of the language that it translates to. */
function fileAgreement(path: string, agreement: Agreement): number {
  return Math.max(...[fileName(path), ...languagesOf(path)].map(agreement));
}

/** How far a name and the query mean the same, 0..1. */
type Agreement = (name: string) => number;

/**
 * The harmonic mean of the share of the query's rarity that the name holds, and of the share of the name's words that
 * the query holds.
 */
function agreementWith({ rarity, words }: QueryTerms): Agreement {
  const stemOf = rememberingStems();
  const asked = [...rarity.values()].reduce((sum, idf) => sum + idf, 0);
  return (name) => {
    const stems = new Set(splitIdentifiers(name).map(stemOf));
    let held = 0;
    let matched = 0;
    for (const stem of stems) {
      held += rarity.get(stem) ?? 0;
      if (words.has(stem)) matched++;
    }
    if (held === 0 || matched === 0) return 0;
    const recall = held / asked;
    const precision = matched / stems.size;
    return (2 * precision * recall) / (precision + recall);
  };
}

/** Without its extension; `src/getYear/index.ts` → getYear. */
function fileName(path: string): string {
  const segments = path.split("/");
  const base = (segments.pop() ?? "").replace(/(?<=.)\.[^.]*$/, "");
  return UNTELLING.test(base) ? (segments.pop() ?? base) : base;
}

/** For each file: how strong its best three chunks are, where 1 is the best of the ranking and 0 the last looked at. */
function neighbourStrengths(
  ranking: readonly Ranked[],
  chunks: ReadonlyMap<string, StoredChunk>,
): Map<string, number> {
  const known = ranking.filter(({ id }) => chunks.has(id));
  const best = known[0]?.score ?? 0;
  const range = best - (known.at(-1)?.score ?? 0);
  const files = new Map<string, number[]>();
  for (const { id, score } of known) {
    const path = chunks.get(id)?.path ?? "";
    const shares = files.get(path) ?? [];
    shares.push(range > 0 ? 1 - (best - score) / range : 1);
    files.set(path, shares);
  }
  const total = NEIGHBOURS.reduce((sum, weight) => sum + weight, 0);
  return new Map(
    [...files].map(([path, shares]) => [
      path,
      NEIGHBOURS.reduce((sum, weight, i) => sum + weight * (shares[i] ?? 0), 0) / total,
    ]),
  );
}
