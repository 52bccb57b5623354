import { parseList } from "structured-headers";
import { describe, expect, it } from "vitest";
import { POLICIES } from "../../../src/core/policy-names.ts";
import { rateLimitFields } from "../../../src/http/rate-limit-fields.ts";

describe("rateLimitFields", () => {
  it("are structured fields, as a reader of RFC 9651 has them, for every policy", () => {
    const decisions = POLICIES.map((policy, i) => ({
      policy,
      requests: 1_000_000_000,
      windowSeconds: 3600 + i,
      allowed: true,
      remaining: i,
      resetMs: i * 1000 + 1,
    }));
    const fields = rateLimitFields(decisions);
    expect(parseList(fields["ratelimit-policy"] ?? "").map(([name, params]) => [name, [...params]])).toEqual(
      POLICIES.map((name, i) => [
        name,
        [
          ["q", 1_000_000_000],
          ["w", 3600 + i],
        ],
      ]),
    );
    expect(parseList(fields["ratelimit"] ?? "").map(([name, params]) => [name, [...params]])).toEqual(
      POLICIES.map((name, i) => [
        name,
        [
          ["r", i],
          ["t", i + 1],
        ],
      ]),
    );
  });
});
