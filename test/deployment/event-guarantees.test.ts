import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createSecurityEvents, WaitingEvents } from "../../src/audit/event.ts";
import { createLogger } from "../../src/core/log.ts";
import {
  newSecurityEvent,
  SECURITY_EVENT_TYPES,
  type SecurityEvent,
  type SecurityEventType,
} from "../../src/core/security-event.ts";
import { openDatabase } from "../../src/db/database.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress } from "../support/app.ts";
import { finishedJob } from "../support/jobs.ts";
import { type KeyBody, newKey } from "../support/keys.ts";

afterEach(() => vi.restoreAllMocks());

describe("a change to keys and workspaces", () => {
  /** While this stands, D1 refuses events of the type. */
  async function refusing<T>(type: SecurityEventType, work: () => Promise<T>): Promise<T> {
    await env.DB.prepare(
      `CREATE TRIGGER no_events BEFORE INSERT ON security_events WHEN NEW.type = '${type}'
       BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
    ).run();
    try {
      return await work();
    } finally {
      await env.DB.prepare("DROP TRIGGER no_events").run();
    }
  }
  const keysOf = async (key: string) =>
    (await (await call("GET", "/v1/keys?limit=100", { key })).json<{ items: KeyBody[] }>()).items;

  it("is not made where its event cannot be stored: both are in one batch", async () => {
    const { key, id } = await newWorkspace("before");
    const other = await newKey(key, { scopes: ["search"], name: "before" });
    const before = await keysOf(key);
    const attempts: [SecurityEventType, () => Promise<Response>][] = [
      ["key_created", () => call("POST", "/v1/keys", { key, body: { name: "x", scopes: ["search"] } })],
      ["key_updated", () => call("PATCH", `/v1/keys/${other.id}`, { key, body: { name: "after" } })],
      ["key_rotated", () => call("POST", `/v1/keys/${other.id}/rotate`, { key, body: {} })],
      ["key_revoked", () => call("DELETE", `/v1/keys/${other.id}`, { key })],
      [
        "workspace_updated",
        () => call("PATCH", `/v1/workspaces/${id}`, { key: ROOT_KEY, body: { name: "after" } }),
      ],
      ["workspace_created", () => call("POST", "/v1/workspaces", { key: ROOT_KEY, body: { name: "never" } })],
    ];
    for (const [type, attempt] of attempts) {
      const response = await refusing(type, attempt);
      expect([type, response.status]).toEqual([type, 500]);
      expect(await response.text()).not.toContain("refused by the test");
    }
    const still = (await keysOf(key)).map((one) => ({ ...one, last_used_at: null }));
    expect(still).toEqual(before.map((one) => ({ ...one, last_used_at: null })));
    const listed = await (await call("GET", "/v1/workspaces?limit=100", { key: ROOT_KEY })).text();
    expect(listed).toContain('"before"');
    expect(listed).not.toMatch(/"after"|"never"/);
  });

  it("is told with who did it", async () => {
    const { key, id } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    await call("PATCH", `/v1/keys/${made.id}`, { key, body: { name: "renamed" } });
    await call("POST", `/v1/keys/${made.id}/rotate`, { key, body: { grace_seconds: 60 } });
    await call("DELETE", `/v1/keys/${made.id}`, { key });
    const { items } = await (await call("GET", "/v1/security_events?limit=100", { key })).json<{
      items: { type: string; key_id: string; detail: { by: string } }[];
    }>();
    const own = items.filter(({ key_id }) => key_id === made.id);
    expect(own.map(({ type }) => type).sort()).toEqual([
      "key_created",
      "key_revoked",
      "key_rotated",
      "key_updated",
    ]);
    const [maker] = items.filter(({ type }) => type === "workspace_created").map(({ key_id }) => key_id);
    for (const event of own) expect(event.detail.by).toBe(maker);
    expect(items.find(({ type }) => type === "workspace_created")?.detail.by).toBe("root");
    expect(id).toMatch(/^ws_/);
  });
});

describe("the root key", () => {
  it("is never used without an event, whatever the answer, health included", async () => {
    const ip = freshAddress();
    const headers = { authorization: `Bearer ${ROOT_KEY}`, "cf-connecting-ip": ip };
    const app = appWith({});
    const asked = ["/v1/workspaces", "/v1/search", "/v1/keys/key_nothing", "/health/ready"];
    for (const path of asked)
      await app.fetch(path, { headers, method: path === "/v1/search" ? "POST" : "GET" });
    const listed = await call("GET", "/v1/security_events?type=root_used&limit=100", { key: ROOT_KEY });
    const { items } = await listed.json<{ items: { ip: string; route: string }[] }>();
    const routes = items.filter((event) => event.ip === ip).map(({ route }) => route);
    expect(routes.sort()).toEqual([
      "GET /health/ready",
      "GET /v1/keys/{id}",
      "GET /v1/workspaces",
      "POST /v1/search",
    ]);
  });
});

describe("logs and events", () => {
  it("hold neither queries nor code, at the level debug", { timeout: 60_000 }, async () => {
    const printed: string[] = [];
    for (const method of ["log", "info", "warn", "error", "debug"] as const) {
      vi.spyOn(console, method).mockImplementation(
        (...parts) => void printed.push(parts.map(String).join(" ")),
      );
    }
    const { key } = await newWorkspace();
    const app = appWith({ LOG_LEVEL: "debug" });
    const ask = (method: string, path: string, body: string, type: string) =>
      app.fetch(path, { method, body, headers: { authorization: `Bearer ${key}`, "content-type": type } });
    const code = "export function canaryCode() { return 'canaryText'; }\n";
    const put = await ask("PUT", "/v1/files?path=src/canaryPath.ts", code, "application/octet-stream");
    const { job } = await put.json<{ job: { id: string } }>();
    await finishedJob(key, job.id);
    for (const query of [
      { query: "canaryQuery" },
      { query: "canaryQuery", mode: "lexical" },
      { query: "" },
    ]) {
      await ask("POST", "/v1/search", JSON.stringify(query), "application/json");
    }
    await ask("POST", "/v1/search", '{"query": canaryMalformed', "application/json");
    await ask("POST", "/v1/search", '{"canaryUnknown": "canaryQuery"}', "application/json");
    await ask("GET", "/v1/files?path=..%2FcanaryPath", "", "application/json").catch(() => {});
    expect(printed.filter((line) => line.includes('"message":"request"')).length).toBeGreaterThan(4);
    const { results } = await env.DB.prepare("SELECT * FROM security_events").all();
    const told = printed.join("\n") + JSON.stringify(results);
    expect(told).not.toMatch(/canary(Code|Text|Query|Malformed|Unknown|Path)/);
  });
});

describe("alerts", () => {
  it("are sent for what somebody should look at now, once for each line, and never fail a request", async () => {
    const alerted: SecurityEvent[] = [];
    const logged: string[] = [];
    const work: Promise<unknown>[] = [];
    const events = createSecurityEvents({
      db: openDatabase(env.DB),
      log: createLogger("debug", (_level, line) => void logged.push(line)),
      waiting: new WaitingEvents(),
      line: () => {},
      async alert(event) {
        alerted.push(event);
        if (event.type === "restore") throw new Error("the receiver is away");
      },
      now: Date.now,
      background: (one) => void work.push(one),
    });
    for (const type of SECURITY_EVENT_TYPES) for (let i = 0; i < 3; i++) events.record({ type });
    await Promise.all(work);
    const sent = alerted.map(({ type, count }) => [type, count]).sort();
    const urgent = [
      ...[
        "backup_failed",
        "budget_exhausted",
        "insecure_transport",
        "key_new_network",
        "limiter_unavailable",
      ],
      ...["restore", "secret_override", "suspicious_activity", "workspace_deleted"],
    ];
    expect(sent).toEqual(urgent.map((type) => [type, 3]));
    expect(logged.filter((line) => line.includes("the receiver is away"))).toHaveLength(1);
    // One whose row went into the batch of its change is sent too.
    events.stored(newSecurityEvent({ type: "workspace_deleted" }, Date.now()));
    await Promise.all(work);
    expect(alerted).toHaveLength(urgent.length + 1);
  });
});

describe("GET /v1/checklist", () => {
  it("tells the age of every secret that is set", async () => {
    const app = appWith({ ALERT_WEBHOOK_SECRET: "whsec_QzRuNHJ5QzRuNHJ5QzRuNHJ5QzRuNHJ5QzRuNHI=" });
    const ask = async () => {
      const response = await app.fetch("/v1/checklist", { headers: { authorization: `Bearer ${ROOT_KEY}` } });
      const { items } = await response.json<{ items: { id: string; status: string; detail: string }[] }>();
      return items.find(({ id }) => id === "rotation");
    };
    const fresh = await ask();
    for (const name of ["ROOT_API_KEY", "JWT_SECRET", "OPENAI_API_KEY", "ALERT_WEBHOOK_SECRET"]) {
      expect(fresh?.detail).toContain(`${name} 0 days`);
    }
    await env.DB.prepare("UPDATE attestations SET at = ? WHERE name = 'secret:OPENAI_API_KEY'")
      .bind(Date.now() - 181 * 86_400_000)
      .run();
    expect(await ask()).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("OPENAI_API_KEY 181"),
    });
  });
});
