import type { ChunkedBy, ChunkKind, Definition } from "../core/chunk.ts";
import { below } from "../core/path.ts";
import type {
  ChunkFilter,
  FileSymbols,
  IndexAnswer,
  IndexQuery,
  IndexStats,
  LexicalHit,
  StoredChunk,
  SymbolHit,
} from "../core/ports.ts";

/**
 * Weights of the columns in BM25, 0 and up, 1 for the body: a term in the name of what is defined counts most, one
 * in the path more than one among many in the text.
 */
const WEIGHTS = { symbol: 3, path: 1.5, body: 1 };
const BM25 = `bm25(chunk_terms, ${WEIGHTS.symbol}, ${WEIGHTS.path}, ${WEIGHTS.body})`;

/** SQL conditions over `files f` and the table that has the kind, with their bindings; empty where nothing is restricted. */
interface Conditions {
  sql: string;
  bindings: (string | number)[];
}

function conditionsOf(
  { path, languages, extensions, kinds }: ChunkFilter,
  kindOf: "c" | "s" = "c",
): Conditions {
  const conditions: string[] = [];
  const bindings: string[] = [];
  if (path !== null) {
    const { from, to } = below(path);
    conditions.push("(f.path = ? OR (f.path >= ? AND f.path < ?))");
    bindings.push(path, from, to);
  }
  for (const [column, values] of [
    ["f.language", languages],
    ["f.extension", extensions],
    [`${kindOf}.kind`, kinds],
  ] as const) {
    if (values.length === 0) continue;
    conditions.push(`${column} IN (SELECT value FROM json_each(?))`);
    bindings.push(JSON.stringify(values));
  }
  return { sql: conditions.map((condition) => ` AND ${condition}`).join(""), bindings };
}

/** Best first; equal scores in the order in which the chunks came in. */
export function findLexical(
  sql: SqlStorage,
  match: string,
  filter: ChunkFilter,
  limit: number,
): LexicalHit[] {
  const conditions = conditionsOf(filter);
  // Without a filter the best are chosen before any row is looked up.
  const query =
    conditions.sql === ""
      ? `SELECT c.id, f.path, best.bm25 FROM (
           SELECT rowid AS chunk, -${BM25} AS bm25 FROM chunk_terms WHERE chunk_terms MATCH ?
           ORDER BY bm25 DESC, chunk LIMIT ?
         ) best JOIN chunks c ON c.chunk = best.chunk JOIN files f ON f.file = c.file
         ORDER BY best.bm25 DESC, best.chunk`
      : `SELECT c.id, f.path, -${BM25} AS bm25
         FROM chunk_terms JOIN chunks c ON c.chunk = chunk_terms.rowid JOIN files f ON f.file = c.file
         WHERE chunk_terms MATCH ?${conditions.sql}
         ORDER BY bm25 DESC, c.chunk LIMIT ?`;
  return sql
    .exec<LexicalHit & Record<string, SqlStorageValue>>(query, match, ...conditions.bindings, limit)
    .toArray();
}

/** By name, in any case, or by how the name begins; equal ones by path and line. A chunk is found once, by its best. */
export function findSymbols(
  sql: SqlStorage,
  name: string,
  parent: string | null,
  filter: ChunkFilter,
  limit: number,
): SymbolHit[] {
  const conditions = conditionsOf(filter, "s");
  const key = name.toLowerCase();
  // `Task` is the parent of what stands in `jobs.Task` too.
  const within = parent === null ? "" : " AND substr('.' || lower(s.parent), -length(?)) = ?";
  const suffix = `.${parent?.toLowerCase()}`;
  return sql
    .exec<SymbolHit & Record<string, SqlStorageValue>>(
      `SELECT id, path, match, length FROM (
         SELECT c.id, f.path, s.start_line, length(s.name) AS length,
           CASE WHEN s.name = ? THEN 'exact' WHEN s.name_key = ? THEN 'other_case' ELSE 'prefix' END AS match,
           row_number() OVER (
             PARTITION BY s.chunk ORDER BY s.name <> ?, s.name_key <> ?, length(s.name), s.ordinal
           ) AS place
         FROM symbols s JOIN chunks c ON c.chunk = s.chunk JOIN files f ON f.file = c.file
         WHERE s.name_key >= ? AND s.name_key < ?${within}${conditions.sql}
       ) WHERE place = 1 ORDER BY match = 'prefix', match = 'other_case', length, path, start_line LIMIT ?`,
      name,
      key,
      name,
      key,
      key,
      // No character sorts after this one, and none that is assigned equals it.
      `${key}\u{10FFFF}`,
      ...(parent === null ? [] : [suffix, suffix]),
      ...conditions.bindings,
      limit,
    )
    .toArray();
}

type StoredChunkRow = {
  id: string;
  path: string;
  language: string;
  startLine: number;
  endLine: number;
  kind: ChunkKind;
  symbol: string | null;
  parent: string | null;
  signature: string | null;
  doc: string | null;
  text: string;
};

const STORED_CHUNK = `c.id, f.path, f.language, c.start_line AS startLine, c.end_line AS endLine, c.kind, c.symbol,
  c.parent, c.signature, c.doc, c.text`;

/** @param exclude an FTS5 expression: chunks that it matches are left out. */
export function chunksById(sql: SqlStorage, ids: string[], exclude: string | null = null): StoredChunk[] {
  const unlike =
    exclude === null ? "" : "WHERE c.chunk NOT IN (SELECT rowid FROM chunk_terms WHERE chunk_terms MATCH ?)";
  return sql
    .exec<StoredChunkRow>(
      `SELECT ${STORED_CHUNK} FROM json_each(?) j JOIN chunks c ON c.id = j.value JOIN files f ON f.file = c.file
       ${unlike} ORDER BY j.key`,
      JSON.stringify(ids),
      ...(exclude === null ? [] : [exclude]),
    )
    .toArray();
}

/** The legs that the index has, totals, and the chunks of the first hits: one call for all of it. */
export function find(
  sql: SqlStorage,
  { match, symbol, exclude, filter, limit, texts }: IndexQuery,
): IndexAnswer {
  const lexical = match === null ? [] : findLexical(sql, match, filter, limit);
  const symbols = symbol === null ? [] : findSymbols(sql, symbol.name, symbol.parent, filter, limit);
  const first = [...lexical, ...symbols].slice(0, texts).map(({ id }) => id);
  const { files, updatedAtMs } = totalsOf(sql);
  return { lexical, symbols, chunks: chunksById(sql, first, exclude), files, updatedAtMs };
}

/** The definitions of a file, by line, the outer before the inner. */
export function symbolsOf(sql: SqlStorage, path: string): FileSymbols {
  const file = sql
    .exec<{ chunked_by: ChunkedBy | null }>(
      "SELECT chunked_by FROM files WHERE path = ? AND deleted = 0",
      path,
    )
    .toArray()[0];
  const symbols = sql
    .exec<Definition & Record<string, SqlStorageValue>>(
      `SELECT s.name, s.kind, s.parent, s.start_line AS startLine, s.end_line AS endLine
       FROM files f JOIN chunks c ON c.file = f.file JOIN symbols s ON s.chunk = c.chunk
       WHERE f.path = ? ORDER BY s.start_line, c.ordinal, s.ordinal`,
      path,
    )
    .toArray();
  return { chunkedBy: file?.chunked_by ?? null, symbols };
}

export function generationsOf(sql: SqlStorage, paths: string[]): { path: string; generation: number }[] {
  return sql
    .exec<{ path: string; generation: number }>(
      `SELECT f.path, f.generation FROM json_each(?) j JOIN files f ON f.path = j.value
       WHERE f.deleted = 0 AND f.generation > 0 ORDER BY j.key`,
      JSON.stringify(paths),
    )
    .toArray();
}

function totalsOf(sql: SqlStorage): Pick<IndexStats, "files" | "chunks" | "updatedAtMs"> {
  return sql
    .exec<{ files: number; chunks: number; updatedAtMs: number | null }>(
      "SELECT files, chunks, updated_at AS updatedAtMs FROM totals",
    )
    .one();
}

export function statsOf(sql: SqlStorage): IndexStats {
  const languages = sql
    .exec<{ language: string; files: number }>(
      "SELECT language, files FROM language_totals WHERE files > 0 ORDER BY files DESC, language",
    )
    .toArray();
  return {
    ...totalsOf(sql),
    languages: Object.fromEntries(languages.map(({ language, files }) => [language, files])),
  };
}
