import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createUsage, WaitingUsage } from "../../src/audit/usage.ts";
import { dayOf } from "../../src/core/usage.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress } from "../support/app.ts";
import { services } from "../support/indexing.ts";
import { finishedJob } from "../support/jobs.ts";
import { newKey } from "../support/keys.ts";

const TODAY = dayOf(Date.now());

interface Item {
  key_id?: string | null;
  day?: string;
  requests: number;
  embedding_tokens: number;
  chat_input_tokens: number;
  chat_output_tokens: number;
  bytes_stored: number;
  cost_microusd: number;
}
async function usageOf(key: string, query = ""): Promise<Item[]> {
  const response = await call("GET", `/v1/usage?${query}`, { key });
  if (response.status !== 200) throw new Error(await response.text());
  return (await response.json<{ items: Item[] }>()).items;
}

/** A ledger that writes at once; settled when what it began is written. */
function ledger(bindings: { analytics?: { writeDataPoint(point: unknown): void }; db?: unknown } = {}) {
  const work: Promise<unknown>[] = [];
  const { db, log } = services();
  const usage = createUsage({
    db: (bindings.db ?? db) as typeof db,
    waiting: new WaitingUsage(0),
    analytics: bindings.analytics ?? null,
    log,
    now: Date.now,
    background: (one) => void work.push(one),
  });
  return { usage, settled: () => Promise.all(work) };
}

describe("GET /v1/usage", () => {
  it("counts requests and stored bytes for the key that used them", async () => {
    const app = appWith({ EMBEDDING_PRICE_MICROUSD: "2000000" });
    const { key } = await newWorkspace();
    const uploader = await newKey(key, { scopes: ["index", "search"] });
    const headers = { authorization: `Bearer ${uploader.key}`, "cf-connecting-ip": freshAddress() };
    const text = "export function greet() {}\n";
    const put = () => app.fetch("/v1/files?path=greet.ts", { method: "PUT", body: text, headers });
    expect((await put()).status).toBe(202);
    // The same bytes again are a request, and store nothing.
    expect((await put()).status).toBe(200);
    expect((await app.fetch("/v1/files?path=../x", { method: "PUT", body: text, headers })).status).toBe(400);
    const search = await app.fetch("/v1/search", {
      method: "POST",
      body: JSON.stringify({ query: "greet", mode: "lexical" }),
      headers: { ...headers, "content-type": "application/json" },
    });
    expect(search.status).toBe(200);
    const items = await usageOf(key, "group_by=key");
    expect(items.find((item) => item.key_id === uploader.id)).toMatchObject({
      requests: 4,
      bytes_stored: text.length,
    });
  });

  it("charges the tokens of an indexing job to the key that uploaded", async () => {
    const { key } = await newWorkspace();
    const uploader = await newKey(key, { scopes: ["index"] });
    const raw = "export const answer = 42;\n";
    const put = await call("PUT", "/v1/files?path=answer.ts", { key: uploader.key, raw });
    const { job } = await put.json<{ job: { id: string } }>();
    expect(await finishedJob(key, job.id)).toMatchObject({ status: "succeeded" });
    const own = async () => (await usageOf(key, "group_by=key")).find(({ key_id }) => key_id === uploader.id);
    await expect
      .poll(async () => (await own())?.embedding_tokens, { timeout: 15_000, interval: 200 })
      .toBeGreaterThan(5);
    await expect.poll(own, { timeout: 15_000 }).toMatchObject({ requests: 1, bytes_stored: raw.length });
  });

  it("adds up what several isolates write, by key and by day, and prices it", async () => {
    const { id, key } = await newWorkspace();
    const amounts = { embeddingTokens: 1_000_000, chatInputTokens: 2_000_000, chatOutputTokens: 100_000 };
    const [one, two] = [ledger(), ledger()];
    one.usage.add(id, "key_a", amounts);
    one.usage.add(id, "key_a", { requests: 1 });
    two.usage.add(id, "key_a", { requests: 2 });
    two.usage.add(id, null, { embeddingTokens: 500_000 });
    await Promise.all([one.settled(), two.settled()]);
    const byKey = await usageOf(key, "group_by=key");
    expect(byKey.find((item) => item.key_id === "key_a")).toEqual({
      key_id: "key_a",
      requests: 3,
      embedding_tokens: 1_000_000,
      chat_input_tokens: 2_000_000,
      chat_output_tokens: 100_000,
      bytes_stored: 0,
      cost_microusd: 20_000 + 300_000 + 60_000,
    });
    expect(byKey.find((item) => item.key_id === null)).toMatchObject({ embedding_tokens: 500_000 });
    const byDay = await usageOf(key, `from=${TODAY}&to=${TODAY}T00:00:00Z&group_by=day`);
    expect(byDay).toMatchObject([{ day: TODAY, embedding_tokens: 1_500_000, cost_microusd: 390_000 }]);
    expect(await usageOf(key, "from=2020-01-01&to=2020-02-01")).toEqual([]);
  });

  it("shows a workspace nothing of another, and refuses what is no range of days", async () => {
    const [mine, other] = [await newWorkspace(), await newWorkspace()];
    const { usage, settled } = ledger();
    usage.add(other.id, "key_other", { requests: 5 });
    await settled();
    expect((await usageOf(mine.key, "group_by=key")).map((item) => item.key_id)).not.toContain("key_other");
    for (const query of [
      "from=2026-02-01&to=2026-01-01",
      "from=2020-01-01&to=2026-01-01",
      "from=yesterday",
      "group_by=route",
      "days=3",
    ]) {
      expect([query, (await call("GET", `/v1/usage?${query}`, { key: mine.key })).status]).toEqual([
        query,
        400,
      ]);
    }
    const searcher = await newKey(mine.key, { scopes: ["search"] });
    expect((await call("GET", "/v1/usage", { key: searcher.key })).status).toBe(403);
  });
});

describe("the ledger", () => {
  it("keeps what could not be written for the next write, once", async () => {
    const { id, key } = await newWorkspace();
    const real = services().db;
    let failing = true;
    const db = new Proxy(real, {
      get: (target, name) =>
        name === "batch" && failing
          ? () => Promise.reject(new Error("D1 is away"))
          : Reflect.get(target, name),
    });
    const { usage, settled } = ledger({ db });
    usage.add(id, "key_a", { requests: 3 });
    await settled();
    failing = false;
    usage.add(id, "key_a", { requests: 1 });
    await settled();
    expect(await usageOf(key, "group_by=key")).toContainEqual(
      expect.objectContaining({ key_id: "key_a", requests: 4 }),
    );
  });

  it("writes nothing for a workspace that is gone, and a point where Analytics Engine is bound", async () => {
    const points: unknown[] = [];
    const { usage, settled } = ledger({ analytics: { writeDataPoint: (point) => void points.push(point) } });
    usage.add("ws_gone", "key_a", { requests: 2, embeddingTokens: 7 });
    await settled();
    const { results } = await env.DB.prepare("SELECT * FROM usage WHERE workspace_id = 'ws_gone'").all();
    expect(results).toEqual([]);
    expect(points).toEqual([{ indexes: ["ws_gone"], blobs: ["key_a", TODAY], doubles: [2, 7, 0, 0, 0] }]);
  });
});

describe("a workspace's budget", () => {
  it("is told of once, as budget_warning, when four fifths of it are spent", async () => {
    const { id, key } = await newWorkspace();
    const budget = services().budgetOf(id);
    const warnings = async () => {
      const response = await call("GET", "/v1/security_events?type=budget_warning", { key });
      const { items } = await response.json<{ items: { count: number }[] }>();
      return items.reduce((sum, { count }) => sum + count, 0);
    };
    const spend = async (tokens: number) => {
      const reservation = await budget.reserve(tokens, 1000);
      if (reservation.granted) await budget.settle(reservation.id, tokens);
    };
    await spend(790);
    await services().embedderFor(id, 1000).embed(["a"]);
    await spend(15);
    for (let i = 0; i < 3; i++) await services().embedderFor(id, 1000).embed(["a"]);
    await expect.poll(warnings, { timeout: 10_000 }).toBe(1);
  });
});

describe("GET /metrics", () => {
  const read = async (key: string | null) => call("GET", "/metrics", { key });

  it("tells the root key of requests, jobs, events, tokens and upstreams, as Prometheus reads it", async () => {
    const app = appWith({});
    const { id } = await newWorkspace();
    const before = sampleOf(
      await (await read(ROOT_KEY)).text(),
      'devflow_requests_total{route="GET /health",status="2xx"}',
    );
    await app.fetch("/health", { headers: { "cf-connecting-ip": freshAddress() } });
    await app.fetch("/health", { headers: { "cf-connecting-ip": freshAddress() } });
    const { usage, settled } = ledger();
    usage.add(id, null, { embeddingTokens: 12 });
    await settled();
    await env.DB.prepare(
      `INSERT INTO jobs (id, workspace_id, kind, status, spec, expanded, created_at, updated_at)
       VALUES ('job_metrics', ?, 'index', 'paused', '{}', 1, 1, 1)`,
    )
      .bind(id)
      .run();
    const response = await read(ROOT_KEY);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await response.text();
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(/^(# (HELP|TYPE) devflow_\w+ .+|devflow_\w+(\{(\w+="[^"]*",?)+\})? \d+(\.\d+)?)$/);
    }
    expect(sampleOf(text, 'devflow_requests_total{route="GET /health",status="2xx"}')).toBe(before + 2);
    expect(sampleOf(text, 'devflow_jobs{status="paused"}')).toBe(1);
    expect(sampleOf(text, 'devflow_tokens_today{kind="embedding"}')).toBeGreaterThanOrEqual(12);
    expect(sampleOf(text, 'devflow_upstream_up{name="d1"}')).toBe(1);
    expect(sampleOf(text, 'devflow_upstream_up{name="chroma"}')).toBe(1);
    expect(text).not.toContain("\ndevflow_backup_age_seconds ");
  });

  it("is nobody else's", async () => {
    const { key } = await newWorkspace();
    expect([(await read(null)).status, (await read(key)).status]).toEqual([401, 403]);
  });
});

/** The value of a sample; 0 where it is not there yet. */
function sampleOf(text: string, sample: string): number {
  const line = text.split("\n").find((one) => one.startsWith(`${sample} `));
  return line === undefined ? 0 : Number(line.slice(sample.length + 1));
}
