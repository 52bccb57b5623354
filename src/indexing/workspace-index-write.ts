import { extensionOf } from "../core/languages.ts";
import type { FileCommit, FilePlan, FileToCommit, FileToPlan, PlannedWrite } from "../core/ports.ts";
import {
  chunkKeysOf,
  chunksOf,
  donorsOf,
  dropChunks,
  sameIds,
  withoutChunk,
  writeChunks,
} from "./workspace-index-chunks.ts";
import { chunkIdOf } from "./workspace-index-ids.ts";
import { condemn, condemnedOf, notePromises, promisedOf } from "./workspace-index-outbox.ts";

/**
 * The changes of the index, one file each. All are synchronous: the Durable Object runs each call in one
 * transaction, so nothing comes between the reads and the writes.
 */

/** A row of `files`; deletions included. */
type FileRow = {
  file: number;
  path: string;
  generation: number;
  seen: number;
  deleted: number;
  revision: number;
  language: string;
  chunks: number;
};

/**
 * @param digests of the file's chunks, in order: see `chunkDigests`.
 * Chunks that stand under the same `embedHash` keep their ids, one for each that is wanted. The ids of others are
 * noted as promised, and are the same for a message that is delivered twice.
 */
export function planFile(sql: SqlStorage, file: FileToPlan, digests: string[], now: number): FilePlan {
  const { path, generation } = file;
  const before = fileAt(sql, path);
  if (before !== null && isStale(before, generation)) return { path, outcome: "stale" };
  const row = before ?? placeholder(sql, path, now);
  sql.exec("UPDATE files SET seen = max(seen, ?) WHERE file = ?", generation, row.file);

  const standing = new Map<string, string[]>();
  for (const { id, embed_hash } of chunkKeysOf(sql, row.file)) {
    const ids = standing.get(embed_hash);
    if (ids) ids.push(id);
    else standing.set(embed_hash, [id]);
  }
  const wanted = file.chunks.map(({ embedHash }, i) => {
    const kept = standing.get(embedHash)?.shift();
    return { embedHash, kept: kept !== undefined, id: kept ?? chunkIdOf(digests[i] ?? "", row.revision) };
  });
  const fresh = wanted.filter(({ kept }) => !kept);
  const ids = fresh.map(({ id }) => id);
  // An earlier delivery may have paid for the vector and not lived to commit it.
  const promised = promisedOf(sql, ids);
  const donors = donorsOf(
    sql,
    fresh.map(({ embedHash }) => embedHash),
  );
  const chunks = wanted.map(({ embedHash, kept, id }): PlannedWrite => {
    if (kept) return { id, vector: "kept" };
    const donorId = promised.has(id) ? id : donors.get(embedHash);
    return donorId === undefined ? { id, vector: "embed" } : { id, vector: "copy", donorId };
  });
  notePromises(sql, ids, file, now);
  return { path, outcome: "write", baseGeneration: row.generation, chunks };
}

/**
 * Puts the chunks in the place of those that stand, or says why not. Any id that is neither standing in this file
 * nor promised means that the plan no longer holds (its vector may be gone): that is a `conflict` too.
 */
export function commitFile(sql: SqlStorage, file: FileToCommit, now: number): FileCommit {
  const { path, generation } = file;
  const ids = file.chunks.map(({ id }) => id);
  const wanted = new Set(ids);
  if (wanted.size !== ids.length) throw new Error("a commit names one chunk id twice");
  const row = fileAt(sql, path);
  if (row === null) {
    condemn(sql, withoutChunk(sql, ids), file, now);
    return { path, outcome: "conflict" };
  }
  if (isStale(row, generation)) {
    condemn(sql, withoutChunk(sql, ids), file, now);
    bumpRevision(sql, row.file);
    return { path, outcome: "stale", obsolete: condemnedOf(sql, [path]) };
  }
  const standing = chunksOf(sql, row.file);
  const standingIds = new Set(standing.map(({ id }) => id));
  const fresh = ids.filter((id) => !standingIds.has(id));
  const promised = promisedOf(sql, fresh);
  const unknown = fresh.filter((id) => !promised.has(id));
  if (unknown.length > 0) {
    // Their vectors may have been written after a clean-up had settled them: it has to look again.
    condemn(sql, withoutChunk(sql, unknown), file, now);
    bumpRevision(sql, row.file);
    return { path, outcome: "conflict" };
  }
  if (file.baseGeneration !== row.generation) {
    if (row.generation === generation && sameIds(standing, ids)) {
      return { path, outcome: "committed", obsolete: condemnedOf(sql, [path]) };
    }
    return { path, outcome: "conflict" };
  }

  const dropped = standing.filter(({ id }) => !wanted.has(id));
  dropChunks(sql, dropped);
  condemn(
    sql,
    dropped.map(({ id }) => id),
    { path, generation: row.generation },
    now,
  );
  writeChunks(sql, row.file, file, standing);
  sql.exec("DELETE FROM vector_outbox WHERE id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
  sql.exec(
    `UPDATE files SET generation = ?, seen = max(seen, ?), deleted = 0, revision = revision + 1, language = ?, extension = ?,
       chunked_by = ?, chunks = ?, updated_at = ? WHERE file = ?`,
    generation,
    generation,
    file.language,
    extensionOf(path),
    file.chunkedBy ?? null,
    ids.length,
    now,
    row.file,
  );
  recount(sql, row, { language: file.language, chunks: ids.length }, now);
  return { path, outcome: "committed", obsolete: condemnedOf(sql, [path]) };
}

/**
 * Takes the file's chunks out and remembers the generation; nothing where a newer one was committed.
 * A newer one that is only planned does not keep the old text: its writer will find a conflict, and plan again.
 * @returns chunks that were taken out.
 */
export function removeFile(sql: SqlStorage, file: { path: string; generation: number }, now: number): number {
  const { path, generation } = file;
  const row = fileAt(sql, path) ?? placeholder(sql, path, now);
  if (generation < row.generation) return 0;
  const standing = chunksOf(sql, row.file);
  dropChunks(sql, standing);
  condemn(
    sql,
    standing.map(({ id }) => id),
    file,
    now,
  );
  sql.exec(
    `UPDATE files SET generation = ?, seen = max(seen, ?), deleted = 1, revision = revision + 1,
       chunked_by = NULL, chunks = 0, updated_at = ? WHERE file = ?`,
    generation,
    generation,
    now,
    row.file,
  );
  recount(sql, row, { language: row.language, chunks: 0 }, now);
  return standing.length;
}

function isStale(row: FileRow, generation: number): boolean {
  return generation < row.seen || (row.deleted === 1 && generation <= row.generation);
}

function fileAt(sql: SqlStorage, path: string): FileRow | null {
  return (
    sql
      .exec<FileRow>(
        "SELECT file, path, generation, seen, deleted, revision, language, chunks FROM files WHERE path = ?",
        path,
      )
      .toArray()[0] ?? null
  );
}

/** A row that says only what was seen of the path: generation 0 is before any. */
function placeholder(sql: SqlStorage, path: string, now: number): FileRow {
  sql.exec("INSERT INTO files VALUES (NULL, ?, 0, 0, 0, 0, '', ?, NULL, 0, ?)", path, extensionOf(path), now);
  const row = fileAt(sql, path);
  if (row === null) throw new Error("a row that was just written is not there");
  return row;
}

function bumpRevision(sql: SqlStorage, file: number): void {
  sql.exec("UPDATE files SET revision = revision + 1 WHERE file = ?", file);
}

/** Moves the totals from what the file was to what it is. A file without chunks is not counted. */
function recount(
  sql: SqlStorage,
  before: { language: string; chunks: number },
  after: { language: string; chunks: number },
  now: number,
): void {
  const count = (language: string, by: number) =>
    sql.exec(
      `INSERT INTO language_totals VALUES (?, ?)
       ON CONFLICT (language) DO UPDATE SET files = files + excluded.files`,
      language,
      by,
    );
  if (before.chunks > 0) count(before.language, -1);
  if (after.chunks > 0) count(after.language, 1);
  // Of one row that is named: else the statement is a savepoint, at which FTS5 writes out a segment for each file.
  sql.exec(
    "UPDATE totals SET files = files + ?, chunks = chunks + ?, updated_at = ? WHERE rowid = 1",
    Number(after.chunks > 0) - Number(before.chunks > 0),
    after.chunks - before.chunks,
    now,
  );
}
