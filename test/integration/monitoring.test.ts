import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { pruneEvents } from "../../src/audit/prune.ts";
import { noteSpend, watchedEmbedder } from "../../src/audit/spend.ts";
import { PaidCallError } from "../../src/core/budget.ts";
import { DevFlowError } from "../../src/core/errors.ts";
import type { Limiters } from "../../src/core/limiter.ts";
import { createLogger } from "../../src/core/log.ts";
import type { Embedder } from "../../src/core/ports.ts";
import type { SecurityEventInput } from "../../src/core/security-event.ts";
import { openDatabase } from "../../src/db/database.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith } from "../support/app.ts";
import { eventually, services } from "../support/indexing.ts";
import { newKey } from "../support/keys.ts";

interface Event {
  type: string;
  ip: string | null;
  count: number;
  key_id: string | null;
  workspace_id: string | null;
  detail: Record<string, unknown>;
}

async function events(type: string, key: string = ROOT_KEY): Promise<Event[]> {
  const response = await call("GET", `/v1/security_events?limit=100&type=${type}`, { key });
  return (await response.json<{ items: Event[] }>()).items;
}

describe("a key used from a new network", () => {
  const use = async (app: ReturnType<typeof appWith>, credential: string, ip: string) =>
    (
      await app.fetch("/v1/auth/whoami", {
        headers: { authorization: `Bearer ${credential}`, "cf-connecting-ip": ip },
      })
    ).status;

  it("is told of once, with the network; the first one and neighbours are not new", async () => {
    const { key, id } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const app = appWith({});
    for (const ip of ["192.0.2.1", "192.0.2.200", "192.0.2.1"])
      expect(await use(app, made.key, ip)).toBe(200);
    expect(await events("key_new_network", key)).toEqual([]);
    for (const ip of ["203.0.113.5", "203.0.113.6"]) expect(await use(app, made.key, ip)).toBe(200);
    // Another isolate knows nothing in memory; the database does.
    for (const ip of ["203.0.113.7", "192.0.2.9"]) expect(await use(appWith({}), made.key, ip)).toBe(200);
    expect(await events("key_new_network", key)).toMatchObject([
      {
        count: 1,
        ip: "203.0.113.5",
        key_id: made.id,
        workspace_id: id,
        detail: { network: "203.0.113.0/24", networks_known: 1 },
      },
    ]);
  });

  it("is told of for its tokens and its successors, IPv6 by /48, and for the root key", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const app = appWith({});
    await use(app, made.key, "2001:db8:5:1::1");
    await use(app, made.key, "2001:db8:5:2::1");
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<{
      access_token: string;
    }>();
    await use(app, token.access_token, "2001:db8:6::1");
    const rotated = await call("POST", `/v1/keys/${made.id}/rotate`, { key, body: {} });
    const successor = await rotated.json<{ key: string; id: string }>();
    await use(app, successor.key, "2001:db8:6::9");
    await use(app, successor.key, "2001:db8:7::1");
    const told = await events("key_new_network", key);
    expect(Object.fromEntries(told.map(({ key_id, detail }) => [detail["network"], key_id]))).toEqual({
      "2001:db8:6::/48": made.id,
      "2001:db8:7::/48": successor.id,
    });
    for (const ip of ["198.51.100.1", "192.0.2.77"]) await use(app, ROOT_KEY, ip);
    expect((await events("key_new_network")).some(({ key_id }) => key_id === "root")).toBe(true);
  });

  it("is not told of a credential that is refused", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const app = appWith({});
    await use(app, made.key, "192.0.2.1");
    await call("DELETE", `/v1/keys/${made.id}`, { key });
    expect(await use(app, made.key, "203.0.113.5")).toBe(401);
    expect(await events("key_new_network", key)).toEqual([]);
  });

  it("remembers 50 networks of a key, each for 90 days after its last use", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const seen = env.DB.prepare("INSERT INTO key_networks VALUES (?, ?, NULL, ?, ?)");
    const rows = Array.from({ length: 60 }, (_, i) => seen.bind(made.id, `10.7.${i}.0/24`, i, i));
    await env.DB.batch(rows);
    await use(appWith({}), made.key, "10.7.60.1");
    const count = async () =>
      await env.DB.prepare("SELECT count(*) AS n FROM key_networks WHERE bucket_id = ?")
        .bind(made.id)
        .first<number>("n");
    expect(await count()).toBe(50);
    await env.DB.prepare(
      "UPDATE key_networks SET last_at = ? WHERE bucket_id = ? AND network <> '10.7.60.0/24'",
    )
      .bind(Date.now() - 91 * 86_400_000, made.id)
      .run();
    await pruneEvents({ db: openDatabase(env.DB), now: Date.now });
    expect(await count()).toBe(1);
  });
});

describe("sudden spending of tokens", () => {
  const limiters = ((subject: string) =>
    env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName(subject))) as unknown as Limiters;

  it("is told of once an hour when a workspace passes the threshold, however many calls at once", async () => {
    const recorded: SecurityEventInput[] = [];
    const deps = {
      limiters,
      thresholdTokens: 100_000,
      events: { record: (event: SecurityEventInput) => void recorded.push(event), stored: () => {} },
    };
    await Promise.all(Array.from({ length: 10 }, () => noteSpend(deps, "ws_spender", 10_000)));
    await noteSpend(deps, "ws_spender", 999);
    await noteSpend(deps, "ws_other", 90_000);
    expect(recorded).toEqual([]);
    await Promise.all(Array.from({ length: 10 }, () => noteSpend(deps, "ws_spender", 10_000)));
    expect(recorded).toEqual([
      {
        type: "suspicious_activity",
        workspaceId: "ws_spender",
        detail: { reason: "token_spend", tokens_over: 100_000, window_seconds: 3600 },
      },
    ]);
  });

  it("counts what failed calls cost too", async () => {
    const failing = (error: Error): Embedder => ({
      model: "m",
      dimensions: 1,
      embed: () => Promise.reject(error),
    });
    const ledger: unknown[] = [];
    const recorded: SecurityEventInput[] = [];
    const work: Promise<unknown>[] = [];
    const deps = {
      limiters,
      thresholdTokens: 4000,
      events: { record: (event: SecurityEventInput) => void recorded.push(event), stored: () => {} },
      usage: { add: (...one: unknown[]) => void ledger.push(one), answered: () => {} },
      log: createLogger("error"),
      background: (one: Promise<unknown>) => void work.push(one),
    };
    const away = new DevFlowError("upstream_unavailable", "It is away.");
    const unknown = [new PaidCallError(away, null), new Error("x")];
    for (const error of [new PaidCallError(away, 2048), ...unknown, new PaidCallError(away, 2048)]) {
      expect(recorded).toEqual([]);
      await expect(watchedEmbedder(deps, "ws_unlucky", "key_x", failing(error)).embed(["a"])).rejects.toBe(
        error,
      );
      await Promise.all(work);
    }
    expect(recorded).toMatchObject([{ type: "suspicious_activity", workspaceId: "ws_unlucky" }]);
    const paid = ["ws_unlucky", "key_x", { embeddingTokens: 2048 }];
    expect(ledger).toEqual([paid, paid]);
  });

  it("is seen where code is indexed, with a budget and without", async () => {
    for (const monthlyTokens of [null, 1_000_000]) {
      const { id, key } = await newWorkspace();
      const { embedderFor } = services({ SUSPICIOUS_TOKENS: "1000" });
      const texts = Array.from({ length: 40 }, (_, i) => `export const value${i} = ${i}; // `.repeat(20));
      const { tokens } = await embedderFor(id, monthlyTokens).embed(texts);
      expect(tokens).toBeGreaterThan(1000);
      const told = await eventually(
        () => events("suspicious_activity", key),
        (items) => items.length > 0,
      );
      expect(told).toMatchObject([{ workspace_id: id, detail: { reason: "token_spend" } }]);
    }
  });
});
