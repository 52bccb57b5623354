import type { IndexAnswer, IndexQuery } from "../core/ports.ts";
import { chunksById, findLexical, totalsOf } from "./workspace-index-read.ts";
import { findSymbols } from "./workspace-index-symbols.ts";
import { countTerms } from "./workspace-index-terms.ts";

/** The legs that the index has, totals, and the chunks of the first hits: one call for all of it. */
export function find(
  sql: SqlStorage,
  { match, alternatives, terms, symbol, exclude, filter, limit, texts }: IndexQuery,
): IndexAnswer {
  const { files, chunks, updatedAtMs } = totalsOf(sql);
  const counts = match === null ? [] : countTerms(sql, terms, chunks);
  const known = new Map(terms.map((term, i) => [term, counts[i] ?? null]));
  const counted = alternatives.map((one) => ({
    match: one.match,
    known: one.stem === null ? null : (known.get(one.stem) ?? null),
  }));
  const lexical = match === null ? [] : findLexical(sql, match, filter, limit, counted, chunks);
  const symbols = symbol === null ? [] : findSymbols(sql, symbol.name, symbol.parent, filter, limit);
  const first = [...lexical, ...symbols].slice(0, texts).map(({ id }) => id);
  const rarity = terms.map((_, i) => (lexical.length === 0 ? 0 : (counts[i]?.rarity ?? 0)));
  return { lexical, rarity, symbols, chunks: chunksById(sql, first, exclude), files, updatedAtMs };
}
