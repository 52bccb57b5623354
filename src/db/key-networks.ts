import { and, desc, eq, lt, notInArray, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { keyNetworks } from "./schema.ts";

export type KeyNetworkRow = typeof keyNetworks.$inferSelect;

/** How many networks the bucket was used from, and whether this is one of them. */
export function selectFamiliarity(db: Database, bucketId: string, network: string) {
  return db
    .select({
      networks: sql<number>`count(*)`,
      known: sql<number>`count(*) FILTER (WHERE ${keyNetworks.network} = ${network})`,
    })
    .from(keyNetworks)
    .where(eq(keyNetworks.bucketId, bucketId));
}

export function upsertNetwork(db: Database, row: KeyNetworkRow) {
  return db
    .insert(keyNetworks)
    .values(row)
    .onConflictDoUpdate({
      target: [keyNetworks.bucketId, keyNetworks.network],
      set: { lastAt: row.lastAt },
    });
}

/** Keeps the networks that the bucket was used from last. */
export function deleteNetworksBeyond(db: Database, bucketId: string, kept: number) {
  const newest = db
    .select({ network: keyNetworks.network })
    .from(keyNetworks)
    .where(eq(keyNetworks.bucketId, bucketId))
    .orderBy(desc(keyNetworks.lastAt))
    .limit(kept);
  return db
    .delete(keyNetworks)
    .where(and(eq(keyNetworks.bucketId, bucketId), notInArray(keyNetworks.network, newest)));
}

export function deleteNetworksBefore(db: Database, beforeMs: number) {
  return db.delete(keyNetworks).where(lt(keyNetworks.lastAt, beforeMs));
}
