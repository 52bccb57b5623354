import type { IndexScan, ScannedChunk, ScanPage } from "../core/ports.ts";
import { conditionsOf, STORED_CHUNK, type StoredChunkRow, totalsOf } from "./workspace-index-read.ts";

/** Rows of one page: small chunks would make a page of them costly to send. */
const MAX_ROWS = 2000;

/**
 * A page of the chunks that may match, by path and place. Without an expression files are walked in order, so that a
 * page costs what it holds; with one, the rows that it selects are sorted first, by their keys alone.
 */
export function scanTexts(sql: SqlStorage, { match, filter, after, characters }: IndexScan): ScanPage {
  const conditions = conditionsOf(filter);
  const behind = after === null ? "" : " AND (f.path > ? OR (f.path = ? AND c.ordinal > ?))";
  const bindings = [
    ...(match === null ? [] : [match]),
    ...conditions.bindings,
    ...(after === null ? [] : [after.path, after.path, after.ordinal]),
    MAX_ROWS,
  ];
  // CROSS JOIN keeps the order: the rows of the expression are looked up, never the other way round.
  const source =
    match === null
      ? "files f JOIN chunks c ON c.file = f.file"
      : `(SELECT rowid AS chunk FROM chunk_trigrams WHERE chunk_trigrams MATCH ?) t
         CROSS JOIN chunks c ON c.chunk = t.chunk CROSS JOIN files f ON f.file = c.file`;
  const keys = `SELECT c.chunk, f.path, c.ordinal FROM ${source}
    WHERE 1${conditions.sql}${behind} ORDER BY f.path, c.ordinal LIMIT ?`;
  const rows = sql.exec<StoredChunkRow & { ordinal: number }>(
    `SELECT ${STORED_CHUNK}, c.ordinal FROM (${keys}) k JOIN chunks c ON c.chunk = k.chunk
     JOIN files f ON f.file = c.file ORDER BY k.path, k.ordinal`,
    ...bindings,
  );
  const chunks: ScannedChunk[] = [];
  let size = 0;
  let stopped = false;
  for (const row of rows) {
    if (chunks.length > 0 && size + row.text.length > characters) {
      stopped = true;
      break;
    }
    size += row.text.length;
    chunks.push(row);
  }
  const { files, updatedAtMs } = totalsOf(sql);
  return { chunks, more: stopped || chunks.length === MAX_ROWS, files, updatedAtMs };
}
