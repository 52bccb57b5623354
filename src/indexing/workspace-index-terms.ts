import { pathInWords } from "../core/path-words.ts";
import type { CommittedChunk } from "../core/ports.ts";
import { searchableText } from "../core/terms.ts";

/** What full-text search holds of a chunk: see `chunk_terms`. */
type Described = Pick<CommittedChunk, "symbol" | "parent" | "doc" | "text">;

/** Puts the terms of a chunk in the place of those that stand under its number. */
export function writeTerms(
  sql: SqlStorage,
  rowid: number,
  chunk: Described & { names: string[] },
  pathTerms: string,
): void {
  const names = new Set([chunk.symbol, chunk.parent, ...chunk.names].filter((name) => name !== null));
  sql.exec(
    "INSERT OR REPLACE INTO chunk_terms (rowid, symbol, path, doc, body) VALUES (?, ?, ?, ?, ?)",
    rowid,
    searchableText([...names].join(" ")),
    pathTerms,
    searchableText(chunk.doc ?? ""),
    searchableText(chunk.text),
  );
}

/**
 * Goes on with what a change of the schema left to write. Until it is done, those chunks are found by meaning alone.
 * @param limit chunks at most. @returns whether some are left.
 */
export function rewriteTerms(sql: SqlStorage, limit: number): boolean {
  const open = sql
    .exec<{ after: number; last: number }>("SELECT after, last FROM terms_to_write")
    .toArray()[0];
  if (open === undefined) return false;
  const rows = sql
    .exec<Described & { chunk: number; path: string; names: string | null }>(
      `SELECT c.chunk, f.path, c.symbol, c.parent, c.doc, c.text,
         (SELECT json_group_array(s.name) FROM symbols s WHERE s.chunk = c.chunk) AS names
       FROM chunks c JOIN files f ON f.file = c.file
       WHERE c.chunk > ? AND c.chunk <= ? ORDER BY c.chunk LIMIT ?`,
      open.after,
      open.last,
      limit,
    )
    .toArray();
  for (const { chunk, path, names, ...described } of rows) {
    const known = JSON.parse(names ?? "[]") as string[];
    writeTerms(sql, chunk, { ...described, names: known }, searchableText(pathInWords(path)));
  }
  const last = rows.at(-1);
  if (last === undefined || rows.length < limit) sql.exec("DELETE FROM terms_to_write");
  else sql.exec("UPDATE terms_to_write SET after = ?", last.chunk);
  return rows.length === limit;
}

/** In how many chunks each of the terms stands, and how rare that makes it. */
export interface TermCount {
  holders: number;
  rarity: number;
}

/**
 * Rarity is the inverse document frequency, as FTS5's `bm25()` reckons it: ln((N − n + 0.5) / (n + 0.5)), at least 1e-6.
 * @param terms stems, as the tokenizer makes them; one that no chunk holds is as rare as can be.
 * @param chunks in the workspace.
 */
export function countTerms(sql: SqlStorage, terms: readonly string[], chunks: number): TermCount[] {
  const frequencies = new Map(
    sql
      .exec<{ term: string; doc: number }>(
        "SELECT v.term, v.doc FROM json_each(?) j JOIN term_frequency v ON v.term = j.value",
        JSON.stringify(terms),
      )
      .toArray()
      .map(({ term, doc }) => [term, doc]),
  );
  return terms.map((term) => {
    const holders = Math.min(chunks, frequencies.get(term) ?? 0);
    return { holders, rarity: Math.max(1e-6, Math.log((chunks - holders + 0.5) / (holders + 0.5))) };
  });
}
