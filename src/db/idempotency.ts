import { and, eq, isNull, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { idempotency } from "./schema.ts";

export type IdempotencyRow = typeof idempotency.$inferSelect;

/**
 * Claims the id for a request that is about to run: one row where it was free, had run out (`expiredBeforeMs`)
 * or was left running by a request that never ended (`abandonedBeforeMs`); none where another holds it.
 */
export function claimIdempotency(
  db: Database,
  claim: {
    id: string;
    workspaceId: string;
    nowMs: number;
    expiredBeforeMs: number;
    abandonedBeforeMs: number;
  },
) {
  const fresh = {
    ...{ requestDigest: "", status: null, headers: null, body: null, quotes: false },
    createdAt: claim.nowMs,
  };
  return db
    .insert(idempotency)
    .values({ id: claim.id, workspaceId: claim.workspaceId, ...fresh })
    .onConflictDoUpdate({
      target: idempotency.id,
      set: fresh,
      setWhere: sql`${idempotency.createdAt} < ${claim.expiredBeforeMs}
        OR (${idempotency.status} IS NULL AND ${idempotency.createdAt} < ${claim.abandonedBeforeMs})`,
    })
    .returning({ id: idempotency.id });
}

export function selectIdempotency(db: Database, id: string) {
  return db.select().from(idempotency).where(eq(idempotency.id, id)).limit(1);
}

/** Keeps the first answer. */
export function finishIdempotency(
  db: Database,
  id: string,
  answer: {
    requestDigest: string;
    status: number;
    headers: Record<string, string>;
    body: string;
    quotes: boolean;
  },
) {
  return db.update(idempotency).set(answer).where(eq(idempotency.id, id));
}

/** Gives the id up: the answer is not one to be repeated. */
export function releaseIdempotency(db: Database, id: string) {
  return db.delete(idempotency).where(and(eq(idempotency.id, id), isNull(idempotency.status)));
}

/** Answers that quote files, of which some are deleted: what is deleted is not to be read here for another day. */
export function forgetQuotes(db: Database, workspaceId: string) {
  return db.run(sql`DELETE FROM idempotency WHERE workspace_id = ${workspaceId} AND quotes = 1`);
}

export function deleteIdempotencyBefore(db: Database, beforeMs: number) {
  return db.delete(idempotency).where(lt(idempotency.createdAt, beforeMs));
}
