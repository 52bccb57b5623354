import { sql } from "drizzle-orm";
import type { ChunkedBy } from "../core/chunk.ts";
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
