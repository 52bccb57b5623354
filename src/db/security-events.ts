import { and, desc, eq, gt, gte, isNull, lt, notLike, or, type SQL, sql } from "drizzle-orm";
import type { SecurityEvent } from "../core/security-event.ts";
import type { Database } from "./database.ts";
import { apiKeys, securityEvents } from "./schema.ts";

/** One row; where the id is there already (the same type, subject and minute), the counts are added. */
export function insertSecurityEvent(db: Database, event: SecurityEvent) {
  return db
    .insert(securityEvents)
    .values(event)
    .onConflictDoUpdate({
      target: securityEvents.id,
      set: { count: sql`${securityEvents.count} + excluded.count`, requestId: sql`excluded.request_id` },
    });
}

/** The row of an event that tells of a change in the same batch; none where the change was refused. */
export function insertSecurityEventIf(db: Database, event: SecurityEvent, changed: SQL) {
  return db.run(sql`
    INSERT INTO security_events (id, workspace_id, type, at, count, ip, route, key_id, request_id, detail)
    SELECT ${event.id}, ${event.workspaceId}, ${event.type}, ${event.at}, ${event.count}, ${event.ip},
      ${event.route}, ${event.keyId}, ${event.requestId}, ${JSON.stringify(event.detail)}
    WHERE ${changed}`);
}

export interface SecurityEventQuery {
  /** Null: every workspace's, and those that no workspace owns. */
  workspaceId: string | null;
  type: string | null;
  sinceMs: number | null;
  /** Id of the last event of the page before, or null. */
  beforeId: string | null;
  limit: number;
}

/** Newest first: ids sort by time. */
export function selectSecurityEvents(db: Database, query: SecurityEventQuery) {
  return db
    .select()
    .from(securityEvents)
    .where(
      and(
        query.workspaceId === null ? undefined : eq(securityEvents.workspaceId, query.workspaceId),
        query.type === null ? undefined : eq(securityEvents.type, query.type),
        query.sinceMs === null ? undefined : gte(securityEvents.at, query.sinceMs),
        query.beforeId === null ? undefined : lt(securityEvents.id, query.beforeId),
      ),
    )
    .orderBy(desc(securityEvents.id))
    .limit(query.limit);
}

/** Deletes at most `limit` events from before the time. */
export function deleteSecurityEventsBefore(db: Database, beforeMs: number, limit: number) {
  const old = db
    .select({ id: securityEvents.id })
    .from(securityEvents)
    .where(lt(securityEvents.at, beforeMs))
    .limit(limit);
  return db
    .delete(securityEvents)
    .where(sql`${securityEvents.id} IN ${old}`)
    .returning({ id: securityEvents.id });
}

/** Whole addresses of events from before the time; a shortened one holds a slash. */
export function selectWholeAddresses(db: Database, beforeMs: number, limit: number) {
  return db
    .selectDistinct({ ip: securityEvents.ip })
    .from(securityEvents)
    .where(
      and(
        lt(securityEvents.at, beforeMs),
        notLike(securityEvents.ip, "%/%"),
        sql`${securityEvents.ip} IS NOT NULL`,
      ),
    )
    .limit(limit);
}

/** Shortens an address in the events from before the time. */
export function shortenAddress(db: Database, ip: string, shortened: string, beforeMs: number) {
  return db
    .update(securityEvents)
    .set({ ip: shortened })
    .where(and(eq(securityEvents.ip, ip), lt(securityEvents.at, beforeMs)));
}

/** When the newest event of the type happened (milliseconds), or null. */
export function selectNewest(db: Database, type: string) {
  return db
    .select({ at: securityEvents.at })
    .from(securityEvents)
    .where(eq(securityEvents.type, type))
    .orderBy(desc(securityEvents.id))
    .limit(1);
}

/** How many events were stored for the time since. */
export function countEventsSince(db: Database, sinceMs: number) {
  return db
    .select({ count: sql<number>`count(*)` })
    .from(securityEvents)
    .where(gte(securityEvents.at, sinceMs));
}

/** Live keys of the whole deployment: how many, how many without an expiry, and when the oldest was made. */
export function selectKeyFacts(db: Database, nowMs: number) {
  return db
    .select({
      live: sql<number>`count(*)`,
      withoutExpiry: sql<number>`count(*) - count(${apiKeys.expiresAt})`,
      oldest: sql<number | null>`min(${apiKeys.createdAt})`,
    })
    .from(apiKeys)
    .where(and(isNull(apiKeys.revokedAt), or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, nowMs))));
}
