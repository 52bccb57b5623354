import type { Charge, Quota } from "../core/limiter.ts";
import { type OperationPolicy, POLICIES, type PolicyName } from "../core/policy-names.ts";
import type { KeyLimits } from "../core/principal.ts";

/**
 * Whom a policy counts. `ip`: the client's address (IPv6: its /64). `key`: the credential's bucket, which a key
 * shares with its tokens and rotated successors. `ip+key`: both, and both must have room.
 */
export type PolicySubject = "ip" | "key" | "ip+key";

export interface Policy extends Quota {
  subject: PolicySubject;
}

export type PolicyTable = Readonly<Record<PolicyName, Policy>>;

const HOUR = 3600;

/** Every limit of the gateway; the only table. An operation names its policy in its route's declaration. */
export const POLICY_DEFAULTS: PolicyTable = {
  ip: { subject: "ip", requests: 5000, windowSeconds: HOUR },
  auth_failed: { subject: "ip", requests: 20, windowSeconds: 300 },
  default: { subject: "key", requests: 100, windowSeconds: HOUR },
  search: { subject: "key", requests: 50, windowSeconds: HOUR },
  index: { subject: "ip+key", requests: 10, windowSeconds: HOUR },
  ask: { subject: "key", requests: 20, windowSeconds: HOUR },
  token: { subject: "key", requests: 60, windowSeconds: HOUR },
  poll: { subject: "key", requests: 3600, windowSeconds: HOUR },
};

/** No multiplication goes past it. */
const MAX_REQUESTS = 1_000_000_000;

/** The setting `RATE_LIMITS`: members left out keep their default. */
export type PolicyOverrides = {
  [name in PolicyName]?: { requests?: number | undefined; window_seconds?: number | undefined } | undefined;
};

export interface PolicySettings {
  RATE_LIMITS: PolicyOverrides;
  RATE_LIMIT_REQUESTS: number;
  RATE_LIMIT_WINDOW: number;
  RATE_LIMIT_MULTIPLIER: number;
}

/**
 * The table in force: defaults, then `RATE_LIMIT_REQUESTS` and `RATE_LIMIT_WINDOW` for the policy `default`,
 * then `RATE_LIMITS`, then every quota times `RATE_LIMIT_MULTIPLIER`.
 */
export function policyTable(settings: PolicySettings): PolicyTable {
  const overrides = settings.RATE_LIMITS;
  const entries = POLICIES.map((name): [PolicyName, Policy] => {
    const base = POLICY_DEFAULTS[name];
    const fallback =
      name === "default"
        ? { requests: settings.RATE_LIMIT_REQUESTS, windowSeconds: settings.RATE_LIMIT_WINDOW }
        : base;
    const requests = overrides[name]?.requests ?? fallback.requests;
    return [
      name,
      {
        subject: base.subject,
        requests: Math.min(MAX_REQUESTS, Math.round(requests * settings.RATE_LIMIT_MULTIPLIER)),
        windowSeconds: overrides[name]?.window_seconds ?? fallback.windowSeconds,
      },
    ];
  });
  return Object.fromEntries(entries) as Record<PolicyName, Policy>;
}

/** The quota of a key: its own where it has one (checked when it was set, never multiplied), else the table's. */
export function quotaOf(table: PolicyTable, policy: PolicyName, limits: KeyLimits): Quota {
  const own = Object.hasOwn(limits, policy) ? limits[policy] : undefined;
  const { requests, windowSeconds } = table[policy];
  return own ? { requests: own.requests, windowSeconds: own.window_seconds } : { requests, windowSeconds };
}

/** A charge of `cost` requests to the policy under that quota. */
export function chargeOf(policy: PolicyName, quota: Quota, cost: number): Charge {
  return { policy, requests: quota.requests, windowSeconds: quota.windowSeconds, cost };
}

/** The limits that hold for a credential, for `whoami`: those of operations, in the API's form. */
export function effectiveLimits(table: PolicyTable, limits: KeyLimits): KeyLimits {
  const operations = POLICIES.filter(
    (name): name is OperationPolicy => name !== "ip" && name !== "auth_failed",
  );
  return Object.fromEntries(
    operations.map((name) => {
      const { requests, windowSeconds } = quotaOf(table, name, limits);
      return [name, { requests, window_seconds: windowSeconds }];
    }),
  );
}
