import { and, asc, eq, isNull, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { tombstones } from "./schema.ts";

export interface Tombstone {
  path: string;
  generation: number;
}

/** Index and vectors were found clean of these, unless a newer deletion of the same path came meanwhile. */
export function settleTombstones(
  db: Database,
  workspaceId: string,
  settled: readonly Tombstone[],
  now: number,
) {
  return db.run(sql`
    UPDATE tombstones SET settled_at = ${now} WHERE settled_at IS NULL AND rowid IN (
      SELECT t.rowid FROM json_each(${JSON.stringify(settled)}) AS j
      CROSS JOIN tombstones AS t ON t.workspace_id = ${workspaceId} AND t.path = j.value ->> 'path'
        AND t.generation = j.value ->> 'generation')`);
}

/** Deletions that were never finished, oldest first. */
export function selectOpenTombstones(db: Database, beforeMs: number, limit: number) {
  return db
    .select({
      workspaceId: tombstones.workspaceId,
      path: tombstones.path,
      generation: tombstones.generation,
    })
    .from(tombstones)
    .where(and(isNull(tombstones.settledAt), lt(tombstones.deletedAt, beforeMs)))
    .orderBy(asc(tombstones.deletedAt))
    .limit(limit);
}

/** A deletion's tombstones, of the generation that it took. */
export function selectTombstonesOf(db: Database, workspaceId: string, generation: number) {
  return db
    .select({ path: tombstones.path, generation: tombstones.generation })
    .from(tombstones)
    .where(and(eq(tombstones.workspaceId, workspaceId), eq(tombstones.generation, generation)));
}
