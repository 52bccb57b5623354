import { sql } from "drizzle-orm";
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

/** Writes the states of the files whose generation still stands. */
export function writeIndexStates(
  db: Database,
  workspaceId: string,
  states: readonly FileIndexState[],
  now: number,
) {
  return db.run(sql`
    UPDATE files SET status = s.value ->> 'status', skip_reason = s.value ->> 'skipReason',
      error = s.value ->> 'error', chunks = s.value ->> 'chunks', chunked_by = s.value ->> 'chunkedBy',
      indexed_at = iif(s.value ->> 'status' = 'indexed', ${now}, files.indexed_at)
    FROM json_each(${JSON.stringify(states)}) AS s
    WHERE files.workspace_id = ${workspaceId} AND files.path = s.value ->> 'path'
      AND files.generation = s.value ->> 'generation'`);
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
  const dropped = sql`files.workspace_id = ${workspaceId} AND files.blob IS NOT NULL AND EXISTS (
    SELECT 1 FROM json_each(${JSON.stringify(versions)}) AS v
    WHERE files.path = v.value ->> 'path' AND files.generation = v.value ->> 'generation')`;
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
    FROM json_each(${JSON.stringify(versions)}) AS v
    WHERE files.workspace_id = ${workspaceId} AND files.path = v.value ->> 'path'
      AND files.generation = v.value ->> 'generation'`);
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
    FROM json_each(${JSON.stringify(versions)}) AS v
    WHERE files.workspace_id = ${workspaceId} AND files.path = v.value ->> 'path'
      AND files.generation = v.value ->> 'generation' AND files.generation < ${generation}`);
}
