import { fold } from "../core/fold.ts";
import { humpsOf } from "../core/humps.ts";
import { pathInWords } from "../core/path-words.ts";
import type { CommittedChunk, FileToCommit } from "../core/ports.ts";
import { searchableText } from "../core/terms.ts";
import { writeTerms } from "./workspace-index-terms.ts";

/** Rows of `chunks`, and the terms that go with each. */

export type ChunkRow = {
  chunk: number;
  id: string;
  ordinal: number;
  start_line: number;
  end_line: number;
  kind: string;
  symbol: string | null;
  parent: string | null;
  signature: string | null;
  doc: string | null;
  text: string;
  embed_hash: string;
};

export function chunkKeysOf(sql: SqlStorage, file: number) {
  return sql.exec<{ id: string; embed_hash: string }>(
    "SELECT id, embed_hash FROM chunks WHERE file = ? ORDER BY ordinal",
    file,
  );
}

export function chunksOf(sql: SqlStorage, file: number): ChunkRow[] {
  return sql
    .exec<ChunkRow>(
      `SELECT chunk, id, ordinal, start_line, end_line, kind, symbol, parent, signature, doc, text, embed_hash
       FROM chunks WHERE file = ? ORDER BY ordinal`,
      file,
    )
    .toArray();
}

/** Hash of an embedded text → id of a chunk of the workspace that has it, for those of the hashes that any has. */
export function donorsOf(sql: SqlStorage, hashes: string[]): Map<string, string> {
  if (hashes.length === 0) return new Map();
  const rows = sql.exec<{ hash: string; id: string | null }>(
    `SELECT value AS hash, (SELECT id FROM chunks WHERE embed_hash = value LIMIT 1) AS id FROM json_each(?)`,
    JSON.stringify(hashes),
  );
  return new Map(rows.toArray().flatMap(({ hash, id }) => (id === null ? [] : [[hash, id]])));
}

export function sameIds(standing: ChunkRow[], ids: string[]): boolean {
  return standing.length === ids.length && standing.every(({ id }, i) => id === ids[i]);
}

/** Those of the ids under which no chunk of the workspace stands. */
export function withoutChunk(sql: SqlStorage, ids: string[]): string[] {
  return sql
    .exec<{ id: string }>(
      "SELECT value AS id FROM json_each(?) j WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.id = j.value)",
      JSON.stringify(ids),
    )
    .toArray()
    .map(({ id }) => id);
}

export function dropChunks(sql: SqlStorage, chunks: { chunk: number }[]): void {
  for (const { chunk } of chunks) {
    sql.exec("DELETE FROM chunk_terms WHERE rowid = ?", chunk);
    sql.exec("DELETE FROM chunk_trigrams WHERE rowid = ?", chunk);
    sql.exec("DELETE FROM symbols WHERE chunk = ?", chunk);
    sql.exec("DELETE FROM chunks WHERE chunk = ?", chunk);
  }
}

/** Inserts new chunks and brings kept ones up to date; terms are written only where they changed. */
export function writeChunks(
  sql: SqlStorage,
  file: number,
  { path, chunks }: FileToCommit,
  standing: ChunkRow[],
): void {
  const byId = new Map(standing.map((chunk) => [chunk.id, chunk]));
  const pathTerms = searchableText(pathInWords(path));
  for (const [ordinal, chunk] of chunks.entries()) {
    const old = byId.get(chunk.id);
    if (old === undefined) insertChunk(sql, file, ordinal, chunk, pathTerms);
    else updateChunk(sql, ordinal, chunk, old, pathTerms);
  }
}

function insertChunk(
  sql: SqlStorage,
  file: number,
  ordinal: number,
  chunk: CommittedChunk,
  pathTerms: string,
): void {
  sql.exec(
    `INSERT INTO chunks (id, file, ordinal, start_line, end_line, kind, symbol, parent, signature, doc, text, embed_hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    chunk.id,
    file,
    ordinal,
    chunk.startLine,
    chunk.endLine,
    chunk.kind,
    chunk.symbol,
    chunk.parent,
    chunk.signature,
    chunk.doc,
    chunk.text,
    chunk.embedHash,
  );
  // With RETURNING the insertion would be a savepoint of its own, at which FTS5 writes out all that it holds back:
  // a segment for each chunk, and their merging, which doubles the time that the index takes.
  const { rowid } = sql.exec<{ rowid: number }>("SELECT last_insert_rowid() AS rowid").one();
  writeDefinitions(sql, rowid, chunk);
  writeTerms(sql, rowid, { ...chunk, names: namesOf(chunk) }, pathTerms);
  writeTrigrams(sql, rowid, chunk);
}

function updateChunk(
  sql: SqlStorage,
  ordinal: number,
  chunk: CommittedChunk,
  old: ChunkRow,
  pathTerms: string,
): void {
  sql.exec(
    `UPDATE chunks SET ordinal = ?, start_line = ?, end_line = ?, kind = ?, symbol = ?, parent = ?, signature = ?, doc = ?, text = ?, embed_hash = ? WHERE chunk = ?`,
    ordinal,
    chunk.startLine,
    chunk.endLine,
    chunk.kind,
    chunk.symbol,
    chunk.parent,
    chunk.signature,
    chunk.doc,
    chunk.text,
    chunk.embedHash,
    old.chunk,
  );
  sql.exec("DELETE FROM symbols WHERE chunk = ?", old.chunk);
  writeDefinitions(sql, old.chunk, chunk);
  if (chunk.text !== old.text) {
    sql.exec("DELETE FROM chunk_trigrams WHERE rowid = ?", old.chunk);
    writeTrigrams(sql, old.chunk, chunk);
  }
  const same: (keyof ChunkRow & keyof CommittedChunk)[] = ["text", "symbol", "parent", "doc"];
  if (same.every((key) => chunk[key] === old[key])) return;
  writeTerms(sql, old.chunk, { ...chunk, names: namesOf(chunk) }, pathTerms);
}

const namesOf = ({ definitions }: CommittedChunk) => definitions.map(({ name }) => name);

function writeDefinitions(sql: SqlStorage, rowid: number, { definitions }: CommittedChunk): void {
  for (const [ordinal, { name, kind, parent, startLine, endLine }] of definitions.entries()) {
    sql.exec(
      "INSERT INTO symbols VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      rowid,
      ordinal,
      name,
      name.toLowerCase(),
      kind,
      parent,
      startLine,
      endLine,
      humpsOf(name),
    );
  }
}

function writeTrigrams(sql: SqlStorage, rowid: number, { text }: CommittedChunk): void {
  sql.exec("INSERT INTO chunk_trigrams (rowid, text) VALUES (?, ?)", rowid, fold(text));
}
