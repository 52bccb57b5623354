import { type SQL, sql } from "drizzle-orm";
import type { ChunkedBy } from "../core/chunk.ts";
import { blobKey } from "./blob-garbage.ts";
import type { Database } from "./database.ts";

/** What the index holds of an accepted file version. */
export interface FileIndexState {
  path: string;
  generation: number;
  status: "indexed" | "skipped" | "failed";
  skipReason: string | null;
  /** Why it failed, for clients. */
  error: string | null;
  chunks: number;
  chunkedBy: ChunkedBy | null;
}

/**
 * Rows of `files` that stand as given, each with what was given of it: (row, value). In that order, as the planner would
 * go through the whole workspace for each.
 */
function versionsOf(workspaceId: string, versions: readonly { path: string; generation: number }[]): SQL {
  return sql`(SELECT f.rowid AS row, j.value FROM json_each(${JSON.stringify(versions)}) AS j
    CROSS JOIN files AS f ON f.workspace_id = ${workspaceId} AND f.path = j.value ->> 'path'
      AND f.generation = j.value ->> 'generation')`;
}

/** Writes the states of the files whose generation still stands. */
export function writeIndexStates(
  db: Database,
  workspaceId: string,
  states: readonly FileIndexState[],
  now: number,
) {
  return db.run(sql`
    WITH v AS MATERIALIZED ${versionsOf(workspaceId, states)}
    UPDATE files SET status = v.value ->> 'status', skip_reason = v.value ->> 'skipReason',
      error = v.value ->> 'error', chunks = v.value ->> 'chunks', chunked_by = v.value ->> 'chunkedBy',
      indexed_at = iif(v.value ->> 'status' = 'indexed', ${now}, files.indexed_at)
    FROM v WHERE files.rowid = v.row`);
}

/**
 * Takes away the content of file versions: they keep their rows, and their R2 objects become nobody's. For one batch.
 */
export function dropContent(
  db: Database,
  workspaceId: string,
  versions: readonly { path: string; generation: number }[],
  now: number,
) {
  const dropped = sql`files.rowid IN (SELECT row FROM ${versionsOf(workspaceId, versions)})
    AND files.blob IS NOT NULL`;
  return [
    db.run(sql`
      INSERT INTO blob_garbage (key, workspace_id, created_at)
      SELECT ${blobKey(workspaceId, "")} || files.blob, ${workspaceId}, ${now} FROM files WHERE ${dropped}
      ON CONFLICT (key) DO NOTHING`),
    db.run(sql`
      UPDATE workspaces SET stored_bytes = stored_bytes - (
        SELECT coalesce(sum(files.size), 0) FROM files WHERE ${dropped}) WHERE id = ${workspaceId}`),
    db.run(sql`UPDATE files SET blob = NULL WHERE ${dropped}`),
  ] as const;
}

/** The file versions are to be indexed (again). */
export function markPending(
  db: Database,
  workspaceId: string,
  versions: readonly { path: string; generation: number }[],
) {
  return db.run(sql`
    UPDATE files SET status = 'pending', skip_reason = NULL, error = NULL
    WHERE rowid IN (SELECT row FROM ${versionsOf(workspaceId, versions)})`);
}

/**
 * Moves file versions to a newer generation, to be indexed again: whoever still works on the old one loses.
 * Files that changed meanwhile are left alone.
 */
export function renewFiles(
  db: Database,
  workspaceId: string,
  versions: readonly { path: string; generation: number }[],
  generation: number,
) {
  return db.run(sql`
    UPDATE files SET generation = ${generation}, status = 'pending', skip_reason = NULL, error = NULL
    WHERE rowid IN (SELECT row FROM ${versionsOf(workspaceId, versions)}) AND generation < ${generation}`);
}
