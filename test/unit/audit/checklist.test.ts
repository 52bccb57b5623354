import { describe, expect, it } from "vitest";
import { type ChecklistFacts, checklist } from "../../../src/audit/checklist.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 23);
const attested = { atMs: NOW - DAY, detail: null };

/** A deployment with nothing to complain of. */
const GOOD: ChecklistFacts = {
  nowMs: NOW,
  environment: "production",
  debug: false,
  logLevel: "warning",
  hosts: ["api.example.com"],
  origins: ["https://app.example.com"],
  requestScheme: "https",
  requestHost: "api.example.com",
  secrets: { ROOT_API_KEY: null, JWT_SECRET: null },
  previousJwtSecret: false,
  secretsSince: { ROOT_API_KEY: NOW - DAY, JWT_SECRET: NOW - DAY },
  quotas: { ip: { requests: 5000, standard: 5000 } } as ChecklistFacts["quotas"],
  limiterAnswers: true,
  escapingPaths: [],
  routes: [
    { route: "GET /health", access: "public", limit: null, strict: true },
    { route: "POST /v1/search", access: "search", limit: "search", strict: true },
  ],
  alerts: true,
  keys: { live: 1, withoutExpiry: 0, oldestMs: NOW - DAY },
  recentEvents: 3,
  limiterFailedAtMs: null,
  newestBackupAtMs: NOW - DAY / 2,
  attestations: {
    dependency_updates: attested,
    security_audit: attested,
    access_review: attested,
    incident_drill: attested,
    restore_drill: attested,
    compliance_review: attested,
  },
};

const statusOf = (change: Partial<ChecklistFacts>, id: string) =>
  checklist({ ...GOOD, ...change }).find((item) => item.id === id)?.status;

describe("checklist", () => {
  it("passes a good deployment in everything", () => {
    expect(checklist(GOOD).filter((item) => item.status !== "pass")).toEqual([]);
  });

  const route = { route: "GET /v1/open", access: "public", limit: null, strict: true };
  const cases: [string, string, Partial<ChecklistFacts>][] = [
    ["secrets", "fail", { secrets: { JWT_SECRET: "is well known" } }],
    ["secrets", "warn", { secrets: { JWT_SECRET: "is well known" }, environment: "development" }],
    ["environment", "fail", { debug: true }],
    ["environment", "fail", { logLevel: "debug" }],
    ["environment", "warn", { environment: "staging" }],
    ["https", "fail", { requestScheme: "http" }],
    ["https", "fail", { hosts: [] }],
    ["https", "warn", { requestScheme: "http", environment: "development" }],
    ["authentication", "fail", { routes: [route] }],
    ["api_keys", "warn", { keys: { live: 2, withoutExpiry: 1, oldestMs: 0 } }],
    ["api_keys", "unknown", { keys: { live: 0, withoutExpiry: 0, oldestMs: null } }],
    ["cors", "fail", { origins: ["http://app.example.com"] }],
    ["rate_limits", "fail", { limiterAnswers: false }],
    [
      "rate_limits",
      "warn",
      { quotas: { ip: { requests: 5001, standard: 5000 } } as ChecklistFacts["quotas"] },
    ],
    ["rate_limits", "warn", { routes: [{ ...route, access: "search" }] }],
    ["validation", "fail", { routes: [{ ...route, strict: false }] }],
    ["file_access", "fail", { escapingPaths: ["../x"] }],
    ["logging", "fail", { recentEvents: null }],
    ["logging", "unknown", { recentEvents: 0 }],
    ["monitoring", "fail", { alerts: false }],
    ["monitoring", "warn", { limiterFailedAtMs: NOW - 1000 }],
    ["backups", "fail", { newestBackupAtMs: null }],
    ["backups", "fail", { newestBackupAtMs: NOW - 2 * DAY }],
    ["rotation", "fail", { secretsSince: { JWT_SECRET: NOW - 181 * DAY } }],
    ["rotation", "warn", { previousJwtSecret: true }],
    ["access_review", "fail", { attestations: {} }],
    ["access_review", "fail", { attestations: { access_review: { atMs: NOW - 181 * DAY, detail: null } } }],
    ["access_review", "pass", { attestations: { access_review: { atMs: NOW - 180 * DAY, detail: "Ann" } } }],
  ];
  it.each(cases)("gives %s %s for %o", (id, status, change) => {
    expect(statusOf(change, id)).toBe(status);
  });
});
