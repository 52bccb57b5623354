import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRetryAfter, type RetryPolicy, retryDelayMs } from "../../../src/clients/retry.ts";

const POLICY: RetryPolicy = { retries: 3, baseDelayMs: 100, maxDelayMs: 1000, maxRetryAfterMs: 20_000 };

describe("retryDelayMs", () => {
  it.each([
    [null, true],
    [408, true],
    [429, true],
    [500, true],
    [502, true],
    [503, true],
    [529, true],
    [301, false],
    [400, false],
    [401, false],
    [403, false],
    [404, false],
    [409, false],
    [501, false],
    [505, false],
  ])("status %s is tried again: %s", (status, again) => {
    expect(retryDelayMs(POLICY, 0, { status, retryAfterMs: null }, 0.5) !== null).toBe(again);
  });

  it("stays within full jitter of a doubling bound, and gives up after the last retry", () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat(10), random, (attempt, sample) => {
        const delay = retryDelayMs(POLICY, attempt, { status: 503, retryAfterMs: null }, sample);
        if (attempt >= POLICY.retries) expect(delay).toBeNull();
        else {
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(Math.min(1000, 100 * 2 ** attempt));
        }
      }),
    );
  });

  it("waits at least as long as the upstream asks, unless that is too long to wait for", () => {
    const asked = (retryAfterMs: number) => retryDelayMs(POLICY, 0, { status: 429, retryAfterMs }, 0.5);
    expect(asked(5_000)).toBe(5_050);
    expect(asked(20_001)).toBeNull();
  });

  it("believes an upstream that says that asking again cannot help", () => {
    expect(retryDelayMs(POLICY, 0, { status: 429, retryAfterMs: null, final: true }, 0)).toBeNull();
  });
});

describe("parseRetryAfter", () => {
  const NOW = Date.parse("2026-01-01T00:00:00Z");
  it.each([
    ["2", 2000],
    [" 0 ", 0],
    ["1.5", 1500],
    ["Thu, 01 Jan 2026 00:00:07 GMT", 7000],
    ["Wed, 31 Dec 2025 23:00:00 GMT", 0],
    ["", null],
    ["-5", null],
    ["soon", null],
    ["2e3", null],
    ["Someday, maybe", null],
    [null, null],
  ])("%j is %s ms", (header, expected) => {
    expect(parseRetryAfter(header, NOW)).toBe(expected);
  });
});
