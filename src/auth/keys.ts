import { DevFlowError } from "../core/errors.ts";
import type { Limiters } from "../core/limiter.ts";
import { LIMITS } from "../core/limits.ts";
import type { Scope } from "../core/principal.ts";
import type { SecurityEvents } from "../core/security-event.ts";
import {
  insertKeyWithinQuota,
  isOverKeyQuota,
  type KeyRow,
  revokeKey as revokeStatement,
  selectKey,
  updateKey as updateStatement,
} from "../db/api-keys.ts";
import type { Database } from "../db/database.ts";
import { insertSecurityEvent } from "../db/security-events.ts";
import { announce } from "./announce.ts";
import { type Actor, type CreatedKey, eventOf, keyRow } from "./key-row.ts";
import {
  bucketOfNewKey,
  changedKeyPower,
  type KeyPower,
  type LimitChanges,
  newKeyPower,
  type OperationQuotas,
  requireMayRotate,
} from "./key-rules.ts";

export interface KeyDeps {
  db: Database;
  limiters: Limiters;
  events: SecurityEvents;
  /** Quotas of the deployment. */
  policies: OperationQuotas;
  now(): number;
}

export interface NewKey {
  name: string;
  scopes: Scope[];
  /** Undefined: ends with its maker. */
  expiresAtMs: number | null | undefined;
  limits: LimitChanges;
}

export interface KeyChange {
  name?: string | undefined;
  scopes?: Scope[] | undefined;
  expiresAtMs?: number | null | undefined;
  limits?: LimitChanges | undefined;
}

/** Errors: `insufficient_scope` for more than the maker's own, `quota_exceeded`, `invalid_request`. */
export async function createKey(
  deps: KeyDeps,
  actor: Actor,
  workspaceId: string,
  input: NewKey,
): Promise<CreatedKey> {
  const now = deps.now();
  const power = newKeyPower(actor.principal, input, deps.policies, now);
  const bucketId = bucketOfNewKey(actor.principal, deps.policies);
  const { row, key } = await keyRow(now, { workspaceId, name: input.name, power, actor, bucketId });
  const quota = { quota: LIMITS.workspaceKeys, nowMs: now };
  const event = eventOf(actor, "key_created", workspaceId, row.id, { scopes: power.scopes.join(" ") }, now);
  const inserted = await withinQuota(() =>
    deps.db.batch([insertKeyWithinQuota(deps.db, row, quota), insertSecurityEvent(deps.db, event)]),
  );
  deps.events.stored(event);
  return { row: only(inserted[0]), key };
}

/** @param workspaceId null for the root key. Errors: `not_found`. */
export async function getKey(deps: KeyDeps, workspaceId: string | null, id: string): Promise<KeyRow> {
  const [row] = await selectKey(deps.db, workspaceId, id);
  if (row === undefined) throw new DevFlowError("not_found", "There is no such key.");
  return row;
}

/**
 * Changes what the key may do, from the next request on.
 * Errors: `not_found`; `conflict` for a key that has ended; `insufficient_scope`; `upstream_unavailable` where the
 * change is stored but may take some seconds to be seen everywhere: the same call mends it.
 */
export async function changeKey(
  deps: KeyDeps,
  actor: Actor,
  workspaceId: string | null,
  id: string,
  change: KeyChange,
): Promise<KeyRow> {
  const before = await getKey(deps, workspaceId, id);
  const now = deps.now();
  requireLive(before, now);
  const { scopes, limits, expiresAtMs } = changedKeyPower(
    actor.principal,
    powerOf(before),
    change,
    deps.policies,
    now,
  );
  const name = change.name ?? before.name;
  const event = eventOf(actor, "key_updated", before.workspaceId, id, { scopes: scopes.join(" ") }, now);
  const [[row]] = await deps.db.batch([
    updateStatement(deps.db, workspaceId, id, { name, scopes, limits, expiresAt: expiresAtMs }),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
  if (row === undefined) throw ended();
  await announce(deps, row.bucketId, (limiter) => limiter.changed());
  return row;
}

/** Ends the key and its tokens, from the next request on. To do it again changes nothing. Errors: as `changeKey`. */
export async function revokeKey(
  deps: KeyDeps,
  actor: Actor,
  workspaceId: string | null,
  id: string,
): Promise<KeyRow> {
  const before = await getKey(deps, workspaceId, id);
  const now = deps.now();
  const event = eventOf(actor, "key_revoked", before.workspaceId, id, {}, now);
  const [[row]] = await deps.db.batch([
    revokeStatement(deps.db, workspaceId, id, now),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
  await announce(deps, before.bucketId, (limiter) => limiter.revoke(id));
  return row ?? { ...before, revokedAt: now };
}

/**
 * A successor with the same scopes, limits, end and bucket; the old key ends after the grace.
 * Errors: `not_found`, `conflict` for a key that has ended, `quota_exceeded`, `insufficient_scope` where the key can
 * do more than who rotates it.
 */
export async function rotateKey(
  deps: KeyDeps,
  actor: Actor,
  workspaceId: string,
  id: string,
  graceSeconds: number,
): Promise<CreatedKey> {
  const old = await getKey(deps, workspaceId, id);
  const now = deps.now();
  requireLive(old, now);
  const power = powerOf(old);
  requireMayRotate(actor.principal, { id, ...power }, deps.policies);
  const { row, key } = await keyRow(now, {
    workspaceId,
    name: old.name,
    power,
    actor,
    bucketId: old.bucketId,
  });
  const end = Math.min(now + graceSeconds * 1000, old.expiresAt ?? Infinity);
  const detail = { successor: row.id, grace_seconds: graceSeconds };
  const event = eventOf(actor, "key_rotated", workspaceId, id, detail, now);
  const quota = { quota: LIMITS.workspaceKeys, nowMs: now, replaces: old };
  const [inserted] = await withinQuota(
    () =>
      deps.db.batch([
        insertKeyWithinQuota(deps.db, row, quota),
        graceSeconds === 0
          ? revokeStatement(deps.db, workspaceId, id, now)
          : updateStatement(deps.db, workspaceId, id, { expiresAt: end }),
        insertSecurityEvent(deps.db, event),
      ]),
    async () => requireUnchanged(old, await getKey(deps, workspaceId, id)),
  );
  deps.events.stored(event);
  await announce(deps, old.bucketId, (limiter) =>
    graceSeconds === 0 ? limiter.revoke(id) : limiter.changed(),
  );
  return { row: only(inserted), key };
}

function powerOf(row: KeyRow): KeyPower {
  return { scopes: row.scopes as Scope[], limits: row.limits ?? {}, expiresAtMs: row.expiresAt };
}

function requireLive(row: KeyRow, nowMs: number): void {
  if (row.revokedAt !== null || (row.expiresAt !== null && row.expiresAt <= nowMs)) throw ended();
}

function ended(): DevFlowError {
  return new DevFlowError("conflict", "This key has ended; make a new one.");
}

/** Errors: `conflict` where somebody else rotated or ended the key meanwhile. */
function requireUnchanged(before: KeyRow, now: KeyRow): void {
  if (before.revokedAt === now.revokedAt && before.expiresAt === now.expiresAt) return;
  throw new DevFlowError("conflict", "This key was changed at the same moment; look at it again.");
}

/** @param recheck throws where the statement had another reason to fail than the quota. */
async function withinQuota<T>(
  work: () => Promise<T>,
  recheck: () => Promise<void> = async () => {},
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!isOverKeyQuota(cause)) throw cause;
    await recheck();
    throw new DevFlowError(
      "quota_exceeded",
      `A workspace has at most ${LIMITS.workspaceKeys} keys; revoke one that is no longer used.`,
      { cause },
    );
  }
}

function only<T>(rows: T[] | undefined): T {
  const [row] = rows ?? [];
  if (row === undefined) throw new Error("the inserted row was not returned");
  return row;
}
