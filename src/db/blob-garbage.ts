import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { blobGarbage } from "./schema.ts";

/** R2 key of a file version. */
export function blobKey(workspaceId: string, blob: string): string {
  return `ws/${workspaceId}/blobs/${blob}`;
}

/**
 * Notes R2 objects as nobody's. Written before an object is put, so that a crash before its row exists leaves
 * no object that nothing knows of; the batch that writes the row takes the note back.
 */
export function insertGarbage(db: Database, workspaceId: string, keys: readonly string[], now: number) {
  return db.run(sql`
    INSERT INTO blob_garbage (key, workspace_id, created_at)
    SELECT value, ${workspaceId}, ${now} FROM json_each(${JSON.stringify(keys)}) WHERE true
    ON CONFLICT (key) DO NOTHING`);
}

/** Forgets objects that R2 no longer holds. */
export function deleteGarbage(db: Database, keys: readonly string[]) {
  return db
    .delete(blobGarbage)
    .where(inArray(blobGarbage.key, sql`(SELECT value FROM json_each(${JSON.stringify(keys)}))`));
}

/** Oldest first, of all workspaces. */
export function selectGarbage(db: Database, beforeMs: number, limit: number) {
  return db
    .select({ key: blobGarbage.key })
    .from(blobGarbage)
    .where(lt(blobGarbage.createdAt, beforeMs))
    .orderBy(blobGarbage.createdAt)
    .limit(limit);
}

/** Those of the keys that are noted as nobody's. */
export function selectGarbageKeys(db: Database, workspaceId: string, keys: readonly string[]) {
  return db
    .select({ key: blobGarbage.key })
    .from(blobGarbage)
    .where(
      and(
        eq(blobGarbage.workspaceId, workspaceId),
        inArray(blobGarbage.key, sql`(SELECT value FROM json_each(${JSON.stringify(keys)}))`),
      ),
    );
}
