import { and, desc, eq, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { apiKeys, workspaces } from "./schema.ts";

export type KeyRow = typeof apiKeys.$inferSelect;
export type NewKeyRow = typeof apiKeys.$inferInsert;

/** The key with this digest, and whether its workspace is being deleted: one row or none. */
export function selectKeyByDigest(db: Database, digest: string) {
  return selectForAuthentication(db, eq(apiKeys.digest, digest));
}

/** The same, by the key's id. */
export function selectKeyById(db: Database, id: string) {
  return selectForAuthentication(db, eq(apiKeys.id, id));
}

function selectForAuthentication(db: Database, condition: SQL) {
  return db
    .select({ key: apiKeys, workspaceDeletedAt: workspaces.deletedAt })
    .from(apiKeys)
    .innerJoin(workspaces, eq(workspaces.id, apiKeys.workspaceId))
    .where(condition)
    .limit(1);
}

export function insertKey(db: Database, key: NewKeyRow) {
  return db.insert(apiKeys).values(key).returning();
}

/**
 * Inserts the key where its workspace holds fewer than `quota` live keys and, for a successor, the key that it
 * replaces (which does not count) is still as it was read. Otherwise its name is null, which the table refuses:
 * the batch that it stands in fails as a whole (`isOverKeyQuota`).
 */
export function insertKeyWithinQuota(
  db: Database,
  key: NewKeyRow,
  { quota, nowMs, replaces }: { quota: number; nowMs: number; replaces?: KeyRow },
) {
  const live = sql`(SELECT count(*) FROM ${apiKeys} WHERE workspace_id = ${key.workspaceId}
    AND id <> ${replaces?.id ?? ""} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${nowMs}))`;
  const unchanged = replaces
    ? sql`EXISTS (SELECT 1 FROM ${apiKeys} WHERE id = ${replaces.id} AND revoked_at IS NULL
        AND expires_at IS ${replaces.expiresAt})`
    : sql`TRUE`;
  return db
    .insert(apiKeys)
    .values({ ...key, name: sql`CASE WHEN ${live} < ${quota} AND ${unchanged} THEN ${key.name} END` })
    .returning();
}

/** Whether a batch failed since `insertKeyWithinQuota` found no room. */
export function isOverKeyQuota(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.message.includes("NOT NULL constraint failed: api_keys.name")) return true;
  }
  return false;
}

/** One key; `workspaceId` null: of whatever workspace (root only). */
export function selectKey(db: Database, workspaceId: string | null, id: string) {
  return db.select().from(apiKeys).where(within(workspaceId, id)).limit(1);
}

/** Newest first: ids sort by time. */
export function selectKeys(db: Database, workspaceId: string, beforeId: string | null, limit: number) {
  return db
    .select()
    .from(apiKeys)
    .where(
      and(eq(apiKeys.workspaceId, workspaceId), beforeId === null ? undefined : lt(apiKeys.id, beforeId)),
    )
    .orderBy(desc(apiKeys.id))
    .limit(limit);
}

/** The workspace's keys that were not revoked. */
export function selectUnrevokedKeys(db: Database, workspaceId: string) {
  return db
    .select({ id: apiKeys.id, bucketId: apiKeys.bucketId })
    .from(apiKeys)
    .where(and(eq(apiKeys.workspaceId, workspaceId), isNull(apiKeys.revokedAt)));
}

export function updateKey(
  db: Database,
  workspaceId: string | null,
  id: string,
  change: Partial<Pick<KeyRow, "name" | "scopes" | "limits" | "expiresAt">>,
) {
  return db
    .update(apiKeys)
    .set(change)
    .where(and(within(workspaceId, id), isNull(apiKeys.revokedAt)))
    .returning();
}

/** Keeps the time of the first revocation. */
export function revokeKey(db: Database, workspaceId: string | null, id: string, nowMs: number) {
  return db
    .update(apiKeys)
    .set({ revokedAt: sql`coalesce(${apiKeys.revokedAt}, ${nowMs})` })
    .where(within(workspaceId, id))
    .returning();
}

/** Writes the time of use, unless one after `unlessAfterMs` stands there. */
export function touchKey(db: Database, id: string, nowMs: number, unlessAfterMs: number) {
  return db
    .update(apiKeys)
    .set({ lastUsedAt: nowMs })
    .where(and(eq(apiKeys.id, id), or(isNull(apiKeys.lastUsedAt), lt(apiKeys.lastUsedAt, unlessAfterMs))));
}

function within(workspaceId: string | null, id: string): SQL | undefined {
  return and(eq(apiKeys.id, id), workspaceId === null ? undefined : eq(apiKeys.workspaceId, workspaceId));
}
