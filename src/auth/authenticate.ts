import { DevFlowError } from "../core/errors.ts";
import { equalSecrets } from "../core/hash.ts";
import {
  type KeyStanding,
  type Principal,
  ROOT,
  type Scope,
  type WorkspacePrincipal,
} from "../core/principal.ts";
import type { Secret } from "../core/secret.ts";
import { selectKeyByDigest, selectKeyById, touchKey } from "../db/api-keys.ts";
import type { Database } from "../db/database.ts";
import { digestApiKey, isWellFormedApiKey } from "./api-key.ts";
import { type Credential, invalidApiKey, invalidToken, readCredential, tokenExpired } from "./credential.ts";
import type { KeyCache, KeyRecord } from "./key-cache.ts";

/** The time of a key's last use is written at most this often. */
const LAST_USED_EVERY_MS = 5 * 60_000;

/** Reads a token, ours or another issuer's. Errors: `invalid_token`, `token_expired`. */
export type ReadToken = (token: string) => Promise<WorkspacePrincipal>;

export interface AuthenticateDeps {
  db: Database;
  rootKey: Secret;
  keys: KeyCache;
  readToken: ReadToken;
  now(): number;
  background(work: Promise<unknown>): void;
}

/**
 * Who the `Authorization` header speaks for. A workspace's credential is not yet good: `confirm` says so.
 * Errors: `unauthenticated` without a credential; `invalid_api_key`, `invalid_token`, `token_expired`.
 */
export async function authenticate(deps: AuthenticateDeps, header: string | null): Promise<Principal> {
  const credential = readCredential(header);
  if (!isWorkspaceCredential(credential)) return authenticateRoot(deps, credential);
  if (credential.form === "token") return deps.readToken(credential.text);
  return keyPrincipal(await findKey(deps, credential.text));
}

/** Whether it may be a workspace's: such a one is never compared with the root key. */
export function isWorkspaceCredential({ form, text }: Credential): boolean {
  return form === "token" || (form === "api_key" && isWellFormedApiKey(text));
}

/** For what is no workspace's credential. Errors: `invalid_api_key` where it is not the root key. */
export async function authenticateRoot(
  { rootKey }: Pick<AuthenticateDeps, "rootKey">,
  { text }: Credential,
): Promise<Principal> {
  if (await equalSecrets(text, rootKey.reveal())) return ROOT;
  throw invalidApiKey();
}

/**
 * The credential as it is in force, by what the limiter of its bucket said: this makes revocation, lowered scopes
 * and limits take effect on the next request, although keys are cached and tokens are not looked up at all.
 * Reads the database only where a key changed lately, or the limiter is down.
 * Errors: `invalid_api_key`, `invalid_token`, `token_expired`; `upstream_unavailable` where neither answers.
 */
export async function confirm(
  deps: AuthenticateDeps,
  principal: WorkspacePrincipal,
  standing: KeyStanding,
): Promise<WorkspacePrincipal> {
  if (standing.revoked.includes(principal.keyId)) {
    deps.keys.forget(principal.keyId);
    throw refusal(principal, "revoked");
  }
  // No key stands behind it, and its workspace was read just now.
  if (principal.issuer !== null) return principal;
  const epoch = standing.source === "limiter" ? standing.epoch : null;
  // Epoch 0: no change for hours, so what was read before the limiter was asked is current too.
  if (epoch !== null && (principal.asOf === epoch || (principal.asOf === null && epoch === 0))) {
    deps.keys.amend(principal.keyId, { asOf: epoch });
    recordUse(deps, principal);
    return { ...principal, asOf: epoch };
  }
  const cached = deps.keys.byId(principal.keyId);
  const record = epoch !== null && cached?.asOf === epoch ? cached : await reload(deps, principal, epoch);
  if (record.expiresAtMs !== null && record.expiresAtMs <= deps.now()) throw refusal(principal, "expired");
  recordUse(deps, principal);
  return inForce(principal, record);
}

/** A key is what its record says; a token keeps within its own scopes and end. */
function inForce(principal: WorkspacePrincipal, record: KeyRecord): WorkspacePrincipal {
  if (principal.kind === "api_key") return keyPrincipal(record);
  return {
    ...principal,
    scopes: principal.scopes.filter((scope) => record.scopes.includes(scope)),
    limits: record.limits,
    expiresAtMs: Math.min(principal.expiresAtMs ?? Infinity, record.expiresAtMs ?? Infinity),
    asOf: record.asOf,
  };
}

async function findKey(deps: AuthenticateDeps, key: string): Promise<KeyRecord> {
  const digest = await digestApiKey(key);
  const cached = deps.keys.byDigest(digest);
  const record = cached ?? remember(deps, await read(() => selectKeyByDigest(deps.db, digest)), null);
  if (record === "unknown" || record === "revoked") throw invalidApiKey(record);
  if (record.expiresAtMs !== null && record.expiresAtMs <= deps.now()) throw invalidApiKey("expired");
  return record;
}

/** @param epoch what the limiter said before this, or null where it did not answer. */
async function reload(
  deps: AuthenticateDeps,
  principal: WorkspacePrincipal,
  epoch: number | null,
): Promise<KeyRecord> {
  const rows = await read(() => selectKeyById(deps.db, principal.keyId));
  const record = remember(deps, rows, epoch);
  const { workspaceId, bucketId } = principal;
  const live = record !== "unknown" && record !== "revoked" ? record : null;
  // What a token claims of its key must be so.
  if (live?.workspaceId === workspaceId && live.bucketId === bucketId) return live;
  deps.keys.forget(principal.keyId);
  throw refusal(principal, "revoked");
}

function remember(
  deps: AuthenticateDeps,
  [row]: Awaited<ReturnType<typeof selectKeyByDigest>>,
  asOf: number | null,
): KeyRecord | "unknown" | "revoked" {
  if (row === undefined) return "unknown";
  if (row.key.revokedAt !== null || row.workspaceDeletedAt !== null) return "revoked";
  const record: KeyRecord = {
    keyId: row.key.id,
    workspaceId: row.key.workspaceId,
    bucketId: row.key.bucketId,
    scopes: row.key.scopes as Scope[],
    limits: row.key.limits ?? {},
    expiresAtMs: row.key.expiresAt,
    lastUsedAtMs: row.key.lastUsedAt,
    asOf,
  };
  deps.keys.set(row.key.digest, record);
  return record;
}

function keyPrincipal(record: KeyRecord): WorkspacePrincipal {
  const { keyId, workspaceId, bucketId, scopes, limits, expiresAtMs, asOf } = record;
  return { kind: "api_key", issuer: null, keyId, workspaceId, bucketId, scopes, limits, expiresAtMs, asOf };
}

/** A token's use is not recorded: the key that makes one was used within the hour. */
function recordUse(deps: AuthenticateDeps, principal: WorkspacePrincipal): void {
  const record = principal.kind === "api_key" ? deps.keys.byId(principal.keyId) : undefined;
  const now = deps.now();
  if (record === undefined || now - (record.lastUsedAtMs ?? 0) < LAST_USED_EVERY_MS) return;
  deps.keys.amend(record.keyId, { lastUsedAtMs: now });
  deps.background(touchKey(deps.db, record.keyId, now, now - LAST_USED_EVERY_MS).execute());
}

function refusal(principal: WorkspacePrincipal, why: "expired" | "revoked"): DevFlowError {
  if (principal.kind === "api_key") return invalidApiKey(why);
  return why === "expired" ? tokenExpired() : invalidToken();
}

async function read<T>(query: () => PromiseLike<T>): Promise<T> {
  try {
    return await query();
  } catch (cause) {
    throw new DevFlowError("upstream_unavailable", "The credential cannot be checked at the moment.", {
      cause,
    });
  }
}
