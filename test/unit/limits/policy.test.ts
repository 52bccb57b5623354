import { describe, expect, it } from "vitest";
import { effectiveLimits, POLICY_DEFAULTS, policyTable, quotaOf } from "../../../src/limits/policy.ts";

const SETTINGS = {
  RATE_LIMITS: {},
  RATE_LIMIT_REQUESTS: 100,
  RATE_LIMIT_WINDOW: 3600,
  RATE_LIMIT_MULTIPLIER: 1,
};

describe("policyTable", () => {
  it("is the documented table where nothing is set", () => {
    expect(policyTable(SETTINGS)).toEqual(POLICY_DEFAULTS);
  });

  it("takes the two settings of the default policy", () => {
    const table = policyTable({ ...SETTINGS, RATE_LIMIT_REQUESTS: 7, RATE_LIMIT_WINDOW: 60 });
    expect(table.default).toEqual({ subject: "key", requests: 7, windowSeconds: 60 });
    expect(table.search).toEqual(POLICY_DEFAULTS.search);
  });

  it("takes single members of any policy from RATE_LIMITS, and multiplies every quota", () => {
    const table = policyTable({
      ...SETTINGS,
      RATE_LIMITS: { search: { requests: 5 }, ip: { window_seconds: 60 } },
      RATE_LIMIT_MULTIPLIER: 100,
    });
    expect(table.search).toEqual({ subject: "key", requests: 500, windowSeconds: 3600 });
    expect(table.ip).toEqual({ subject: "ip", requests: 500_000, windowSeconds: 60 });
    expect(table.index.requests).toBe(1000);
  });
});

describe("quotaOf", () => {
  it("takes a key's own quota as it stands, and the table's otherwise", () => {
    const table = policyTable({ ...SETTINGS, RATE_LIMIT_MULTIPLIER: 100 });
    const limits = { search: { requests: 3, window_seconds: 60 } };
    expect(quotaOf(table, "search", limits)).toEqual({ requests: 3, windowSeconds: 60 });
    expect(quotaOf(table, "ask", limits)).toEqual({ requests: 2000, windowSeconds: 3600 });
    const { search } = effectiveLimits(table, limits);
    expect(search).toEqual({ requests: 3, window_seconds: 60 });
  });
});
