import type { ChunkKind } from "../core/chunk.ts";
import { below } from "../core/path.ts";
import type {
  ChunkFilter,
  FileHolding,
  FileRange,
  IndexedVector,
  IndexStats,
  LexicalHit,
  StoredChunk,
} from "../core/ports.ts";
import { type Alternative, firstLeast, nextLeast, strongOf } from "./workspace-index-prune.ts";

/**
 * Weights of the columns in BM25, 0 and up, 1 for the body: a term in the name of what is defined, or in the path, tells
 * more than one among many in the text. A doc comment is part of the text too: there its terms count twice. Chosen on
 * the sets named in docs/search.md.
 */
const WEIGHTS = { symbol: 5, path: 3, doc: 1, body: 1 };
/** Looks at a part of the chunks; then all are scored. */
const TRIES = 3;
const BM25 = `bm25(chunk_terms, ${Object.values(WEIGHTS).join(", ")})`;

/** SQL conditions over `files f` and the table that has the kind, with their bindings; empty where nothing is restricted. */
export interface Conditions {
  sql: string;
  bindings: (string | number)[];
}

export function conditionsOf(
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

/**
 * Best first; equal scores in the order in which the chunks came in. Scoring a chunk costs ten times what finding it
 * does: in a large workspace only those are scored that hold enough of the rare words, where no other can come before
 * them. Where another could, the score that is to be beaten is known by then, and says which those are.
 * @param alternatives what `match` is a disjunction of; empty where there is more to it. @param chunks of the workspace.
 */
export function findLexical(
  sql: SqlStorage,
  match: string,
  filter: ChunkFilter,
  limit: number,
  alternatives: readonly Alternative[] = [],
  chunks = 0,
): LexicalHit[] {
  let least = firstLeast(alternatives, chunks, limit);
  for (let tries = TRIES; tries > 0 && least !== null; tries--) {
    const strong = strongOf(alternatives, least);
    if (strong === null) break;
    const hits = rankLexical(sql, match, filter, limit, strong.match);
    const last = hits.length === limit ? (hits.at(-1)?.bm25 ?? 0) : null;
    if (last !== null && last > strong.bound) return hits;
    least = nextLeast(least, last);
  }
  return rankLexical(sql, match, filter, limit, null);
}

function rankLexical(
  sql: SqlStorage,
  match: string,
  filter: ChunkFilter,
  limit: number,
  holding: string | null,
): LexicalHit[] {
  const conditions = conditionsOf(filter);
  // The sign keeps SQLite from looking up each of them in the text index by itself.
  const held = (rowid: string) =>
    holding === null ? "" : ` AND +${rowid} IN (SELECT rowid FROM chunk_terms WHERE chunk_terms MATCH ?)`;
  // Without a filter the best are chosen before any row is looked up.
  const query =
    conditions.sql === ""
      ? `SELECT c.id, f.path, best.bm25 FROM (
           SELECT rowid AS chunk, -${BM25} AS bm25 FROM chunk_terms WHERE chunk_terms MATCH ?${held("rowid")}
           ORDER BY bm25 DESC, chunk LIMIT ?
         ) best JOIN chunks c ON c.chunk = best.chunk JOIN files f ON f.file = c.file
         ORDER BY best.bm25 DESC, best.chunk`
      : `SELECT c.id, f.path, -${BM25} AS bm25
         FROM chunk_terms JOIN chunks c ON c.chunk = chunk_terms.rowid JOIN files f ON f.file = c.file
         WHERE chunk_terms MATCH ?${held("chunk_terms.rowid")}${conditions.sql}
         ORDER BY bm25 DESC, c.chunk LIMIT ?`;
  const bindings = [match, ...(holding === null ? [] : [holding]), ...conditions.bindings, limit];
  return sql.exec<LexicalHit & Record<string, SqlStorageValue>>(query, ...bindings).toArray();
}

export type StoredChunkRow = {
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

export const STORED_CHUNK = `c.id, f.path, f.language, c.start_line AS startLine, c.end_line AS endLine, c.kind, c.symbol,
  c.parent, c.signature, c.doc, c.text`;

/** @param exclude an FTS5 expression: chunks that it matches are left out. */
export function chunksById(sql: SqlStorage, ids: string[], exclude: string | null = null): StoredChunk[] {
  const unlike =
    exclude === null ? "" : "WHERE c.chunk NOT IN (SELECT rowid FROM chunk_terms WHERE chunk_terms MATCH ?)";
  return sql
    .exec<StoredChunkRow & { definitions: string }>(
      `SELECT ${STORED_CHUNK},
         (SELECT json_group_array(s.name) FROM symbols s WHERE s.chunk = c.chunk) AS definitions
       FROM json_each(?) j JOIN chunks c ON c.id = j.value JOIN files f ON f.file = c.file
       ${unlike} ORDER BY j.key`,
      JSON.stringify(ids),
      ...(exclude === null ? [] : [exclude]),
    )
    .toArray()
    .map(({ definitions, ...row }) => ({ ...row, names: JSON.parse(definitions) as string[] }));
}

/** Chunks that hold a line of the range, by line. */
export function chunksOfFile(sql: SqlStorage, range: FileRange, limit: number): StoredChunk[] {
  return sql
    .exec<StoredChunkRow>(
      `SELECT ${STORED_CHUNK} FROM files f JOIN chunks c ON c.file = f.file
       WHERE f.path = ? AND c.start_line <= ? AND c.end_line >= ? ORDER BY c.start_line, c.ordinal LIMIT ?`,
      range.path,
      range.endLine,
      range.startLine,
      limit,
    )
    .toArray();
}

/** Counted from the rows of the chunks, not by what the file's own row says. */
export function holdingsOf(sql: SqlStorage, paths: string[]): FileHolding[] {
  return sql
    .exec<{ path: string; generation: number; ids: string }>(
      `SELECT f.path, f.generation,
         (SELECT json_group_array(c.id) FROM chunks c WHERE c.file = f.file) AS ids
       FROM json_each(?) j JOIN files f ON f.path = j.value
       WHERE f.deleted = 0 AND f.generation > 0 ORDER BY j.key`,
      JSON.stringify(paths),
    )
    .toArray()
    .map(({ ids, ...held }) => ({ ...held, ids: JSON.parse(ids) as string[] }));
}

export function heldFiles(
  sql: SqlStorage,
  afterPath: string,
  limit: number,
): { path: string; generation: number }[] {
  return sql
    .exec<{ path: string; generation: number }>(
      `SELECT f.path, f.generation FROM files f
       WHERE f.path > ? AND EXISTS (SELECT 1 FROM chunks c WHERE c.file = f.file) ORDER BY f.path LIMIT ?`,
      afterPath,
      limit,
    )
    .toArray();
}

export function totalsOf(sql: SqlStorage): Pick<IndexStats, "files" | "chunks" | "updatedAtMs"> {
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

/** By path and place in the file. */
export function vectorsOfFiles(sql: SqlStorage, paths: readonly string[]): IndexedVector[] {
  return sql
    .exec<{ path: string; id: string; embed_hash: string; language: string; kind: ChunkKind }>(
      `SELECT f.path, c.id, c.embed_hash, f.language, c.kind FROM json_each(?) AS wanted
       JOIN files AS f ON f.path = wanted.value JOIN chunks AS c ON c.file = f.file
       ORDER BY f.path, c.ordinal`,
      JSON.stringify(paths),
    )
    .toArray()
    .map(({ embed_hash: embedHash, ...rest }) => ({ ...rest, embedHash }));
}
