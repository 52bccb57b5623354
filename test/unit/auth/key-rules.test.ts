import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changedKeyPower, isWithin, newKeyPower, type OperationQuotas } from "../../../src/auth/key-rules.ts";
import type { Quota } from "../../../src/core/limiter.ts";
import type { Principal } from "../../../src/core/principal.ts";

const quota = fc.record({
  requests: fc.integer({ min: 1, max: 12 }),
  windowSeconds: fc.integer({ min: 1, max: 12 }),
});

/** The most that a quota admits in any stretch of that many seconds: bursts as early as its windows allow. */
function mostIn(seconds: number, { requests, windowSeconds }: Quota): number {
  let admitted = 0;
  for (let at = 0; at < seconds; at += windowSeconds) admitted += requests;
  return admitted;
}

describe("isWithin", () => {
  it("holds exactly where no stretch of the ceiling's window admits more", () => {
    fc.assert(
      fc.property(quota, quota, (a, b) => {
        expect(isWithin(a, b)).toBe(mostIn(b.windowSeconds, a) <= b.requests);
      }),
    );
  });

  it("is reflexive and transitive", () => {
    fc.assert(
      fc.property(quota, quota, quota, (a, b, c) => {
        expect(isWithin(a, a)).toBe(true);
        if (isWithin(a, b) && isWithin(b, c)) expect(isWithin(a, c)).toBe(true);
      }),
    );
  });
});

const HOUR: Quota = { requests: 100, windowSeconds: 3600 };
const QUOTAS: OperationQuotas = {
  default: HOUR,
  search: HOUR,
  index: HOUR,
  ask: HOUR,
  token: HOUR,
  poll: HOUR,
};
const maker = (more: Partial<Extract<Principal, { kind: "api_key" | "jwt" }>> = {}): Principal => ({
  kind: "api_key",
  issuer: null,
  workspaceId: "ws_a",
  keyId: "key_a",
  bucketId: "key_a",
  scopes: ["search", "admin"],
  limits: {},
  expiresAtMs: 1000,
  asOf: 0,
  ...more,
});
const limit = (requests: number) => ({ requests, window_seconds: 3600 });

describe("newKeyPower", () => {
  const make = (by: Principal, asked: Partial<Parameters<typeof newKeyPower>[1]>) =>
    newKeyPower(by, { scopes: ["search"], limits: {}, expiresAtMs: undefined, ...asked }, QUOTAS, 500);

  it("ends with its maker where no end is asked for", () => {
    expect(make(maker(), {}).expiresAtMs).toBe(1000);
    expect(make(maker({ expiresAtMs: null }), {}).expiresAtMs).toBeNull();
    expect(make(maker(), { expiresAtMs: 999 }).expiresAtMs).toBe(999);
  });

  it("inherits lower limits, and not those that root raised", () => {
    const limits = { search: limit(10), ask: limit(900) };
    expect(make(maker({ limits }), {}).limits).toEqual({ search: limit(10) });
    expect(make(maker({ limits }), { limits: { search: limit(5) } }).limits).toEqual({ search: limit(5) });
    expect(() => make(maker({ limits }), { limits: { search: limit(50) } })).toThrow(/Only the root key/);
    expect(() => make(maker({ limits }), { limits: { search: null } })).toThrow(/Only the root key/);
    expect(() => make(maker({ limits }), { limits: { ask: limit(200) } })).toThrow(/Only the root key/);
  });

  it("gives scopes that the maker has", () => {
    expect(() => make(maker(), { scopes: ["search", "ask"] })).toThrow(/missing: ask/);
  });

  it("lets the root key give anything but a past", () => {
    const root: Principal = {
      kind: "root",
      keyId: "root",
      bucketId: "root",
      scopes: [],
      limits: {},
      expiresAtMs: null,
    };
    const asked = { scopes: ["ask" as const], limits: { ask: limit(1e6) } };
    expect(make(root, asked)).toEqual({ ...asked, expiresAtMs: null });
    expect(() => make(root, { expiresAtMs: 500 })).toThrow(/past/);
  });
});

describe("changedKeyPower", () => {
  const key = {
    scopes: ["search" as const, "ask" as const],
    limits: { search: limit(10) },
    expiresAtMs: 5000,
  };
  const change = (what: Parameters<typeof changedKeyPower>[2], by = maker()) =>
    changedKeyPower(by, key, what, QUOTAS, 500);

  it("keeps what is not named", () => {
    expect(change({})).toEqual(key);
    expect(change({ limits: { ask: limit(1) } }).limits).toEqual({ search: limit(10), ask: limit(1) });
  });

  it("takes away freely, and adds only what the changer has", () => {
    expect(change({ scopes: ["search"] }).scopes).toEqual(["search"]);
    expect(change({ scopes: ["search", "ask", "admin"] }).scopes).toHaveLength(3);
    expect(() => change({ scopes: ["search", "index"] })).toThrow(/missing: index/);
  });

  it("moves the end to where either of the two ends", () => {
    expect(change({ expiresAtMs: 4000 }).expiresAtMs).toBe(4000);
    expect(() => change({ expiresAtMs: 6000 })).toThrow(/outlive/);
    expect(() => change({ expiresAtMs: null })).toThrow(/outlive/);
    expect(change({ expiresAtMs: null }, maker({ expiresAtMs: null })).expiresAtMs).toBeNull();
  });

  it("lets a raised limit be taken away, not a lowered one", () => {
    expect(() => change({ limits: { search: null } })).toThrow(/Only the root key/);
    const raised = { ...key, limits: { search: limit(900) } };
    expect(changedKeyPower(maker(), raised, { limits: { search: null } }, QUOTAS, 500).limits).toEqual({});
  });
});
