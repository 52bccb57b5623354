import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { pruneEvents } from "../../src/audit/prune.ts";
import { newSecurityEvent, type SecurityEventInput } from "../../src/core/security-event.ts";
import { openDatabase } from "../../src/db/database.ts";
import { insertSecurityEvent } from "../../src/db/security-events.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress } from "../support/app.ts";

interface Event {
  id: string;
  type: string;
  at: string;
  count: number;
  ip: string | null;
  route: string | null;
  key_id: string | null;
  workspace_id: string | null;
  request_id: string | null;
  detail: Record<string, unknown>;
}
interface Page {
  items: Event[];
  next_cursor: string | null;
}

const db = openDatabase((env as unknown as { DB: D1Database }).DB);
const store = (input: SecurityEventInput, atMs = Date.now()) =>
  insertSecurityEvent(db, newSecurityEvent(input, atMs));

async function list(query: string, key: string = ROOT_KEY): Promise<Page> {
  const response = await call("GET", `/v1/security_events?${query}`, { key });
  expect(response.status).toBe(200);
  return response.json<Page>();
}

/** The security lines that are printed while the work runs. */
async function linesOf(work: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const lines: string[] = [];
  for (const method of ["log", "warn", "error"] as const) {
    vi.spyOn(console, method).mockImplementation((line) => void lines.push(String(line)));
  }
  await work();
  vi.restoreAllMocks();
  return lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line["logger"] === "security");
}

afterEach(() => vi.restoreAllMocks());

describe("a refusal", () => {
  it("is one line and one row, whose counts agree, at every log level", async () => {
    const app = appWith({ LOG_LEVEL: "error" });
    const { key } = await newWorkspace();
    const ip = freshAddress();
    const as = (credential: string): RequestInit => ({
      headers: { authorization: `Bearer ${credential}`, "cf-connecting-ip": ip },
    });
    const lines = await linesOf(async () => {
      await Promise.all(Array.from({ length: 5 }, () => app.fetch("/v1/auth/whoami", as("dvf_wrong"))));
      await app.fetch("/v1/checklist", as(key));
      await app.fetch("/v1/files?path=..%2Fa", as(key));
    });
    const { items } = await list("limit=100");
    const mine = items.filter((event) => event.ip === ip);
    expect(mine.map(({ type }) => type).sort()).toEqual(["auth_failed", "invalid_path", "scope_denied"]);
    const printed = lines.filter((line) => line["ip"] === ip);
    for (const event of mine) {
      const same = printed.filter((line) => line["id"] === event.id);
      expect(same.reduce((sum, line) => sum + Number(line["count"]), 0)).toBe(event.count);
      expect(event.request_id).toMatch(/^req_/);
    }
    expect(mine.find(({ type }) => type === "auth_failed")).toMatchObject({
      count: 5,
      route: "GET /v1/auth/whoami",
      key_id: null,
      detail: { code: "invalid_api_key", method: "GET" },
    });
    expect(mine.find(({ type }) => type === "scope_denied")?.key_id).toMatch(/^key_/);
  });

  it("holds neither the credential nor what was asked for", async () => {
    const app = appWith({});
    const { key } = await newWorkspace();
    const wrong = `${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`;
    const lines = await linesOf(() =>
      app.fetch(`/v1/files?path=..%2Fcanary%0aforged&q=${wrong}`, {
        headers: { authorization: `Bearer ${wrong}`, "cf-connecting-ip": "198.51.100.7\u00a0x" },
      }),
    );
    const stored = JSON.stringify((await list("limit=100")).items);
    for (const text of [stored, JSON.stringify(lines)]) {
      expect(text).not.toContain(wrong);
      expect(text).not.toContain("canary");
    }
  });

  it("of a rate limit and of a probe is told with its policy and counts", async () => {
    const app = appWith({ RATE_LIMIT_MULTIPLIER: "1", RATE_LIMITS: '{"poll":{"requests":1}}' });
    const { key, id } = await newWorkspace();
    const headers = { authorization: `Bearer ${key}`, "cf-connecting-ip": freshAddress() };
    for (let i = 0; i < 3; i++) await app.fetch("/v1/auth/whoami", { headers });
    const events = await list("type=rate_limit_exceeded", key);
    expect(events.items.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect(events.items[0]).toMatchObject({ workspace_id: id, detail: { policy: "poll" } });
  });
});

describe("suspicious activity", () => {
  const suspicious = async (ip: string) =>
    (await list("type=suspicious_activity&limit=100")).items.filter((event) => event.ip === ip);

  it("is told once a window past the threshold; refused requests count", async () => {
    const app = appWith({ SUSPICIOUS_REQUESTS: "10" });
    const ip = freshAddress();
    const ask = () => app.fetch("/nowhere", { headers: { "cf-connecting-ip": ip } });
    for (let i = 0; i < 10; i++) await ask();
    expect(await suspicious(ip)).toEqual([]);
    for (let i = 0; i < 5; i++) await ask();
    expect(await suspicious(ip)).toMatchObject([
      { count: 1, detail: { reason: "requests", requests: 11, window_seconds: 3600 } },
    ]);
  });

  it("is a burst of failed credentials, and of scopes that were not granted", async () => {
    const app = appWith({});
    const guessing = freshAddress();
    const probing = freshAddress();
    const { key } = await newWorkspace();
    for (let i = 0; i < 21; i++) {
      await app.fetch("/v1/auth/whoami", {
        headers: { authorization: "Bearer x", "cf-connecting-ip": guessing },
      });
      await app.fetch("/v1/checklist", {
        headers: { authorization: `Bearer ${key}`, "cf-connecting-ip": probing },
      });
    }
    expect(await suspicious(guessing)).toMatchObject([
      { detail: { reason: "failed_credentials", requests: 20 } },
    ]);
    expect(await suspicious(probing)).toMatchObject([{ detail: { reason: "scope_probing", requests: 20 } }]);
  });
});

describe("limiters that fail", () => {
  it("are told of once a minute", async () => {
    const broken = {
      RATE_LIMITER: { idFromName: String, get: () => ({ take: () => Promise.reject(new Error("down")) }) },
    };
    const app = appWith({}, broken);
    const lines = await linesOf(async () => {
      for (let i = 0; i < 5; i++) await app.fetch("/health");
    });
    expect(lines.filter((line) => line["type"] === "limiter_unavailable")).toMatchObject([
      { count: 1, detail: { mode: "closed" } },
    ]);
  });
});

describe("GET /v1/security_events", () => {
  it("pages through a workspace's own, newest first, while others are added", async () => {
    const { key, id } = await newWorkspace();
    const start = Date.now() - 100_000;
    for (let i = 0; i < 5; i++)
      await store({ type: "export", workspaceId: id, detail: { i } }, start + i * 1000);
    const first = await list("type=export&limit=2", key);
    await store({ type: "export", workspaceId: id, detail: { i: 9 } });
    const second = await list(`type=export&limit=2&cursor=${first.next_cursor}`, key);
    const third = await list(`type=export&limit=2&cursor=${second.next_cursor}`, key);
    expect([first, second, third].flatMap((page) => page.items.map((event) => event.detail["i"]))).toEqual([
      4, 3, 2, 1, 0,
    ]);
    expect(third.next_cursor).toBeNull();
  });

  it("filters by type and time", async () => {
    const { key, id } = await newWorkspace();
    await store({ type: "export", workspaceId: id }, Date.parse("2026-01-01T00:00:00Z"));
    await store({ type: "restore", workspaceId: id }, Date.parse("2026-02-01T00:00:00Z"));
    const since = encodeURIComponent("2026-01-15T00:00:00+01:00");
    expect((await list(`since=${since}&type=restore`, key)).items).toHaveLength(1);
    expect((await list(`since=${since}&type=export`, key)).items).toEqual([]);
  });

  it("shows no other workspace's, and refuses a cursor of one", async () => {
    const [one, two] = [await newWorkspace(), await newWorkspace()];
    for (let i = 0; i < 3; i++) await store({ type: "export", workspaceId: one.id }, Date.now() + i);
    expect((await list("type=export", two.key)).items).toEqual([]);
    const { next_cursor } = await list("type=export&limit=1", one.key);
    const stolen = await call("GET", `/v1/security_events?type=export&limit=1&cursor=${next_cursor}`, {
      key: two.key,
    });
    expect(stolen.status).toBe(400);
    expect(await stolen.json()).toMatchObject({ code: "invalid_cursor" });
  });

  it("is refused without the scope admin, and to nonsense", async () => {
    const { key } = await newWorkspace();
    const made = await call("POST", "/v1/keys", { key, body: { name: "s", scopes: ["search"] } });
    const { key: searchKey } = await made.json<{ key: string }>();
    expect((await call("GET", "/v1/security_events", { key: searchKey })).status).toBe(403);
    expect((await call("GET", "/v1/security_events")).status).toBe(401);
    for (const query of [
      "type=nonsense",
      "since=yesterday",
      "limit=0",
      "limit=101",
      "cursor=x.y",
      "colour=1",
    ]) {
      expect((await call("GET", `/v1/security_events?${query}`, { key })).status).toBe(400);
    }
  });
});

describe("retention", () => {
  it("shortens addresses after 7 days and deletes events after 90", async () => {
    const { key, id } = await newWorkspace();
    const day = 86_400_000;
    const now = Date.now();
    await store({ type: "export", workspaceId: id, ip: "203.0.113.77", detail: { age: 6 } }, now - 6 * day);
    await store({ type: "export", workspaceId: id, ip: "203.0.113.77", detail: { age: 8 } }, now - 8 * day);
    await store(
      { type: "export", workspaceId: id, ip: "2001:db8:1:2::3", detail: { age: 9 } },
      now - 9 * day,
    );
    await store({ type: "export", workspaceId: id, ip: "203.0.113.77", detail: { age: 91 } }, now - 91 * day);
    await pruneEvents({ db, now: Date.now });
    await pruneEvents({ db, now: Date.now });
    const { items } = await list("type=export", key);
    expect(items.map((event) => [event.detail["age"], event.ip])).toEqual([
      [6, "203.0.113.77"],
      [8, "203.0.113.0/24"],
      [9, "2001:db8:1::/48"],
    ]);
  });
});
