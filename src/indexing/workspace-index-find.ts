import type { IndexAnswer, IndexQuery } from "../core/ports.ts";
import { chunksById, findLexical, totalsOf } from "./workspace-index-read.ts";
import { findSymbols } from "./workspace-index-symbols.ts";
import { rarityOf } from "./workspace-index-terms.ts";

/** The legs that the index has, totals, and the chunks of the first hits: one call for all of it. */
export function find(
  sql: SqlStorage,
  { match, terms, symbol, exclude, filter, limit, texts }: IndexQuery,
): IndexAnswer {
  const lexical = match === null ? [] : findLexical(sql, match, filter, limit);
  const symbols = symbol === null ? [] : findSymbols(sql, symbol.name, symbol.parent, filter, limit);
  const first = [...lexical, ...symbols].slice(0, texts).map(({ id }) => id);
  const { files, chunks, updatedAtMs } = totalsOf(sql);
  const rarity = lexical.length === 0 ? terms.map(() => 0) : rarityOf(sql, terms, chunks);
  return { lexical, rarity, symbols, chunks: chunksById(sql, first, exclude), files, updatedAtMs };
}
