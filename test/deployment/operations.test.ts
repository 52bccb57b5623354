import { env } from "cloudflare:workers";
import { describe, expect, inject, it } from "vitest";
import { PaidCallError } from "../../src/core/budget.ts";
import { DevFlowError } from "../../src/core/errors.ts";
import type { Embedder } from "../../src/core/ports.ts";
import { budgetedEmbedder } from "../../src/limits/budgeted-embedder.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress, PRODUCTION } from "../support/app.ts";

interface Item {
  id: string;
  status: string;
  detail: string;
}
const items = async (response: Response) => (await response.json<{ items: Item[] }>()).items;
const statusOf = (list: Item[], id: string) => list.find((item) => item.id === id)?.status;

describe("GET /v1/checklist", () => {
  it("computes each item from the deployment as it is", async () => {
    const development = await items(await call("GET", "/v1/checklist", { key: ROOT_KEY }));
    expect(development.map((item) => item.id)).toEqual([
      "secrets",
      "environment",
      "https",
      "authentication",
      "api_keys",
      "cors",
      "rate_limits",
      "validation",
      "file_access",
      "logging",
      "monitoring",
      "backups",
      "rotation",
      "dependency_updates",
      "security_audit",
      "access_review",
      "incident_drill",
      "restore_drill",
      "compliance_review",
    ]);
    expect(statusOf(development, "secrets")).toBe("warn");
    expect(statusOf(development, "rate_limits")).toBe("warn");
    expect(development.find((item) => item.id === "authentication")).toMatchObject({ status: "pass" });
    expect(development.find((item) => item.id === "validation")).toMatchObject({ status: "pass" });
    expect(statusOf(development, "backups")).toBe("fail");

    const app = appWith({ ...PRODUCTION, RATE_LIMIT_MULTIPLIER: "1" });
    const production = await items(
      await app.fetch("https://api.example.com/v1/checklist", {
        headers: { authorization: `Bearer ${PRODUCTION.ROOT_API_KEY}`, "cf-connecting-ip": "192.0.2.9" },
      }),
    );
    for (const id of ["secrets", "environment", "https", "file_access", "rotation"]) {
      expect([id, statusOf(production, id)]).toEqual([id, "pass"]);
    }
    expect(statusOf(production, "monitoring")).toBe("fail");
    expect(JSON.stringify(production)).not.toContain(PRODUCTION.JWT_SECRET);
  });

  it("passes what was attested, and tells of it as an event", async () => {
    const attested = await call("POST", "/v1/attestations", {
      key: ROOT_KEY,
      body: { name: "access_review", detail: "Ann and Bo, all keys" },
    });
    expect(attested.status).toBe(201);
    const list = await items(await call("GET", "/v1/checklist", { key: ROOT_KEY }));
    expect(list.find((item) => item.id === "access_review")).toMatchObject({
      status: "pass",
      detail: "Attested 0 days ago: Ann and Bo, all keys.",
    });
    const events = await call("GET", "/v1/security_events?type=attestation", { key: ROOT_KEY });
    expect(await events.json()).toMatchObject({ items: [{ detail: { name: "access_review" } }] });
  });

  it("is for the root key, and takes only names that it knows", async () => {
    const { key } = await newWorkspace();
    expect((await call("GET", "/v1/checklist", { key })).status).toBe(403);
    expect((await call("GET", "/v1/checklist")).status).toBe(401);
    expect((await call("POST", "/v1/attestations", { key, body: { name: "access_review" } })).status).toBe(
      403,
    );
    for (const body of [
      { name: "backups" },
      { name: "secret:JWT_SECRET" },
      {},
      { name: "access_review", at: 0 },
    ]) {
      expect((await call("POST", "/v1/attestations", { key: ROOT_KEY, body })).status).toBe(400);
    }
  });
});

describe("GET /health/ready", () => {
  it("tells everybody the status, and the root key each check", async () => {
    const app = appWith({});
    const open = await app.fetch("/health/ready");
    expect(open.status).toBe(200);
    expect(await open.json()).toEqual({ status: expect.stringMatching(/^(ok|degraded)$/) });
    const { key } = await newWorkspace();
    const other = await app.fetch("/health/ready", { headers: { authorization: `Bearer ${key}` } });
    expect(await other.json()).not.toHaveProperty("checks");
    const root = await app.fetch("/health/ready", { headers: { authorization: `Bearer ${ROOT_KEY}` } });
    const { checks } = await root.json<{ checks: Record<string, { status: string; latency_ms: number }> }>();
    expect(Object.keys(checks)).toEqual(["d1", "r2", "chroma", "embedder", "chat", "queue", "backup"]);
    for (const name of ["d1", "r2", "chroma", "embedder", "chat", "queue"])
      expect([name, checks[name]?.status]).toEqual([name, "ok"]);
  });

  it("counts guesses at the root key as failed credentials, and a workspace's key as none", async () => {
    const app = appWith({ RATE_LIMIT_MULTIPLIER: "1" });
    const headers = { "cf-connecting-ip": freshAddress() };
    const ask = (key: string) =>
      app.fetch("/health/ready", { headers: { ...headers, authorization: `Bearer ${key}` } });
    const { key } = await newWorkspace();
    for (let i = 0; i < 21; i++) expect((await ask(key)).status).toBe(200);
    const guesses: number[] = [];
    for (let i = 0; i < 21; i++) guesses.push((await ask(`guess-${i}`)).status);
    expect(guesses).toEqual([...Array(20).fill(401), 429]);
    // From there not even the right one is looked at.
    expect((await ask(ROOT_KEY)).status).toBe(429);
    expect((await app.fetch("/health/ready", { headers })).status).toBe(200);
  });

  it("asks the chat server for its models, which costs nothing, where a chat model is set", async () => {
    const chat = async (settings: Record<string, string>) => {
      const headers = { authorization: `Bearer ${ROOT_KEY}` };
      const answer = await appWith(settings).fetch("/health/ready", { headers });
      const { status, checks } = await answer.json<{
        status: string;
        checks: { chat: { status: string } };
      }>();
      return [status, checks.chat.status];
    };
    expect(await chat({})).toEqual(["ok", "ok"]);
    expect(await chat({ OPENAI_CHAT_MODEL: "" })).toEqual(["ok", "unknown"]);
    // A server that answers, but keeps no list: nothing is known of the key.
    const { origin } = new URL(inject<never>("chatUrl" as never));
    expect(await chat({ OPENAI_CHAT_BASE_URL: `${origin}/unlisted` })).toEqual(["ok", "unknown"]);
    expect(await chat({ OPENAI_CHAT_BASE_URL: "http://127.0.0.1:9/v1" })).toEqual(["degraded", "failing"]);
  });

  it("is degraded without Chroma, and down (503) without R2; asked anew after 5 s at the earliest", async () => {
    const degraded = await appWith({ CHROMA_URL: "http://127.0.0.1:9" }).fetch("/health/ready");
    expect([degraded.status, await degraded.json()]).toEqual([200, { status: "degraded" }]);
    let asked = 0;
    const head = () => {
      asked++;
      return Promise.reject(new Error("away"));
    };
    const app = appWith({}, { BLOBS: { head } });
    for (let i = 0; i < 3; i++) {
      const down = await app.fetch("/health/ready");
      expect([down.status, await down.json()]).toEqual([503, { status: "down" }]);
    }
    expect(asked).toBe(1);
  });
});

describe("a workspace's budget", () => {
  const budget = (name: string) => env.BUDGET.get(env.BUDGET.idFromName(name));
  /** A provider that counts its calls; ten tokens a text. */
  function provider() {
    const counter = { calls: 0 };
    const embedder: Embedder = {
      model: "counting",
      dimensions: 1,
      async embed(texts) {
        counter.calls++;
        return { vectors: texts.map(() => [1]), tokens: texts.length * 10 };
      },
    };
    return { counter, embedder };
  }

  it("makes no call once it is spent, and says when it resets", async () => {
    const { counter, embedder } = provider();
    const paid = budgetedEmbedder(embedder, { budget: budget("spent"), monthlyTokens: 45, maxTokens: 100 });
    const texts = ["twelve bytes"]; // at most 14 tokens, 10 in truth
    for (let i = 0; i < 4; i++) await paid.embed(texts).catch(() => {});
    const refused = await paid.embed(texts).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "budget_exhausted" });
    expect((refused as { members: { resets_at: string } }).members.resets_at).toMatch(/-01T00:00:00\.000Z$/);
    expect(counter.calls).toBe(4);
    expect(await budget("spent").state()).toMatchObject({ spent: 40, reserved: 0 });
  });

  it("is not overspent by many at once", async () => {
    const { counter, embedder } = provider();
    const paid = budgetedEmbedder(embedder, { budget: budget("race"), monthlyTokens: 100, maxTokens: 10 });
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => paid.embed(["x".repeat(50)])));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(10);
    expect(counter.calls).toBe(10);
    expect((await budget("race").state()).spent).toBe(100);
  });

  const failing = (error: Error): Embedder => ({
    model: "m",
    dimensions: 1,
    embed: () => Promise.reject(error),
  });
  const away = (spentTokens: number | null) =>
    new PaidCallError(new DevFlowError("upstream_unavailable", "It is away."), spentTokens);

  it("keeps set aside what a failed call may have cost", async () => {
    const paid = budgetedEmbedder(failing(new Error("reset")), {
      budget: budget("failed"),
      monthlyTokens: 100,
      maxTokens: 60,
    });
    await expect(paid.embed(["x".repeat(100)])).rejects.toThrow("reset");
    expect(await budget("failed").state()).toMatchObject({ spent: 0, reserved: 60 });
    await expect(paid.embed(["x".repeat(100)])).rejects.toMatchObject({
      code: "budget_exhausted",
      heldByOthers: true,
      tokens: 60,
    });
  });

  it("gives back what a refused call certainly did not cost", async () => {
    const limit = { budget: budget("refused"), monthlyTokens: 100, maxTokens: 60 };
    await expect(budgetedEmbedder(failing(away(0)), limit).embed(["x".repeat(100)])).rejects.toThrow("away");
    expect(await budget("refused").state()).toMatchObject({ spent: 0, reserved: 0 });
    // Of three requests of one call, two were charged before the third was refused.
    await expect(budgetedEmbedder(failing(away(25)), limit).embed(["x".repeat(100)])).rejects.toThrow("away");
    expect(await budget("refused").state()).toMatchObject({ spent: 25, reserved: 0 });
  });

  it("repeats a call that nobody answered once, with tokens of its own set aside", async () => {
    const limit = { budget: budget("silence"), monthlyTokens: 200, maxTokens: 60 };
    await expect(budgetedEmbedder(failing(away(null)), limit).embed(["x".repeat(100)])).rejects.toThrow(
      "away",
    );
    expect(await budget("silence").state()).toMatchObject({ spent: 0, reserved: 120 });
  });
});
