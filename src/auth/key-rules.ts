import { DevFlowError } from "../core/errors.ts";
import type { Quota } from "../core/limiter.ts";
import type { OperationPolicy } from "../core/policy-names.ts";
import type { KeyLimits, Principal, Scope } from "../core/principal.ts";
import { insufficientScope } from "./credential.ts";

/** The quotas in force for whoever has none of his own. */
export type OperationQuotas = Readonly<Record<OperationPolicy, Quota>>;

/** What of a key decides over its power. `expiresAtMs` null: it never ends. */
export interface KeyPower {
  scopes: Scope[];
  limits: KeyLimits;
  expiresAtMs: number | null;
}

/** Quotas to set; null takes a key's own one away. */
export type LimitChanges = { [policy in OperationPolicy]?: KeyLimits[string] | null | undefined };

/**
 * A new key within the power of its maker. Where no end is asked for, it ends with its maker; it inherits the
 * limits that are lower than the deployment's. The root key may give anything.
 * Errors: `insufficient_scope` for more than the maker has; `invalid_request` for an end that is past.
 */
export function newKeyPower(
  maker: Principal,
  asked: { scopes: Scope[]; limits: LimitChanges; expiresAtMs: number | null | undefined },
  quotas: OperationQuotas,
  nowMs: number,
): KeyPower {
  requireFuture(asked.expiresAtMs, nowMs);
  if (maker.kind === "root") {
    return {
      scopes: asked.scopes,
      limits: withChanges({}, asked.limits),
      expiresAtMs: asked.expiresAtMs ?? null,
    };
  }
  const expiresAtMs = asked.expiresAtMs === undefined ? maker.expiresAtMs : asked.expiresAtMs;
  requireScopes(maker, asked.scopes);
  if (isLater(expiresAtMs, maker.expiresAtMs)) throw outlives();
  const base = handedOnLimits(maker, quotas);
  requireLowered(base, asked.limits, quotas);
  return { scopes: asked.scopes, limits: withChanges(base, asked.limits), expiresAtMs };
}

/**
 * The bucket of a new key, or null for one of its own. What a key of lowered limits makes counts together with it:
 * else it could have its quota as often as it makes keys.
 */
export function bucketOfNewKey(maker: Principal, quotas: OperationQuotas): string | null {
  if (maker.kind === "root") return null;
  return Object.keys(handedOnLimits(maker, quotas)).length > 0 ? maker.bucketId : null;
}

/** The maker's own limits, but for those that are higher than the deployment's. */
function handedOnLimits(maker: Principal, quotas: OperationQuotas): KeyLimits {
  const lowered = Object.entries(maker.limits).filter(([policy, own]) => {
    const standard = quotas[policy as OperationPolicy];
    return standard !== undefined && isWithin(quotaOf(own), standard);
  });
  return Object.fromEntries(lowered);
}

/**
 * A key's power after a change by somebody else or by itself.
 * Errors: as `newKeyPower`. Taking away is always allowed; only what is added has to be the changer's own.
 */
export function changedKeyPower(
  changer: Principal,
  key: KeyPower,
  change: {
    scopes?: Scope[] | undefined;
    limits?: LimitChanges | undefined;
    expiresAtMs?: number | null | undefined;
  },
  quotas: OperationQuotas,
  nowMs: number,
): KeyPower {
  requireFuture(change.expiresAtMs, nowMs);
  const scopes = change.scopes ?? key.scopes;
  const limits = withChanges(key.limits, change.limits ?? {});
  const expiresAtMs = change.expiresAtMs === undefined ? key.expiresAtMs : change.expiresAtMs;
  if (changer.kind !== "root") {
    requireScopes(
      changer,
      scopes.filter((scope) => !key.scopes.includes(scope)),
    );
    requireLowered(key.limits, change.limits ?? {}, quotas);
    if (isLater(expiresAtMs, key.expiresAtMs) && isLater(expiresAtMs, changer.expiresAtMs)) throw outlives();
  }
  return { scopes, limits, expiresAtMs };
}

/** Errors: `insufficient_scope` where whoever rotates the key would hold more than before. */
export function requireMayRotate(
  maker: Principal,
  key: KeyPower & { id: string },
  quotas: OperationQuotas,
): void {
  if (maker.kind === "root" || maker.keyId === key.id) return;
  requireScopes(maker, key.scopes);
  if (isLater(key.expiresAtMs, maker.expiresAtMs)) throw outlives();
  for (const [policy, own] of Object.entries(maker.limits)) {
    const standard = quotas[policy as OperationPolicy];
    if (standard === undefined) continue;
    const other = key.limits[policy];
    if (isWithin(other === undefined ? standard : quotaOf(other), quotaOf(own))) continue;
    throw insufficientScope(
      `That key has a higher limit than yours for ${policy}: ask for yours to be raised.`,
      null,
    );
  }
}

/**
 * Whether a quota admits nothing that the other would refuse. A stretch of `ceiling.windowSeconds` touches at
 * most ⌈ceiling.windowSeconds / quota.windowSeconds⌉ full windows of the quota, each with its requests.
 */
export function isWithin(quota: Quota, ceiling: Quota): boolean {
  return quota.requests * Math.ceil(ceiling.windowSeconds / quota.windowSeconds) <= ceiling.requests;
}

function withChanges(limits: KeyLimits, changes: LimitChanges): KeyLimits {
  const next = { ...limits };
  for (const [policy, quota] of Object.entries(changes)) {
    if (quota === null) delete next[policy];
    else if (quota !== undefined) next[policy] = quota;
  }
  return next;
}

function requireLowered(current: KeyLimits, changes: LimitChanges, quotas: OperationQuotas): void {
  for (const [policy, change] of Object.entries(changes)) {
    if (change === undefined) continue;
    const standard = quotas[policy as OperationPolicy];
    const own = current[policy];
    const before = own === undefined ? standard : quotaOf(own);
    const after = change === null ? standard : quotaOf(change);
    if (isWithin(after, before)) continue;
    throw insufficientScope(
      `Only the root key raises limits: ${policy} is ${before.requests} requests in ${before.windowSeconds} s.`,
      null,
    );
  }
}

function requireScopes(maker: Principal, scopes: Scope[]): void {
  const missing = scopes.filter(
    (scope) => maker.kind !== "root" && !(maker.scopes as Scope[]).includes(scope),
  );
  if (missing.length === 0) return;
  throw insufficientScope(
    `A key gives only scopes that it has; missing: ${missing.join(" ")}.`,
    missing.join(" "),
  );
}

function requireFuture(expiresAtMs: number | null | undefined, nowMs: number): void {
  if (expiresAtMs === null || expiresAtMs === undefined || expiresAtMs > nowMs) return;
  const message = "This time is past.";
  throw new DevFlowError("invalid_request", `/expires_at: ${message}`, {
    errors: [{ pointer: "/expires_at", message }],
  });
}

function isLater(a: number | null, b: number | null): boolean {
  return (a ?? Infinity) > (b ?? Infinity);
}

function outlives(): DevFlowError {
  return insufficientScope("A key may not outlive the credential that makes it.", null);
}

function quotaOf({ requests, window_seconds }: KeyLimits[string]): Quota {
  return { requests, windowSeconds: window_seconds };
}
