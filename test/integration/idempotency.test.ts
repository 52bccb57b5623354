import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { indexFiles } from "../../src/indexing/index-files.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress } from "../support/app.ts";
import { acceptFiles, services } from "../support/indexing.ts";

const deps = services();
const fresh = () => crypto.randomUUID();
const create = (key: string, idempotencyKey: string, body: unknown) =>
  call("POST", "/v1/keys", { key, body, headers: { "idempotency-key": idempotencyKey } });

describe("Idempotency-Key", () => {
  it("answers the first answer again, with one-time secrets as null, and does the work once", async () => {
    const { key } = await newWorkspace();
    const again = fresh();
    const first = await create(key, again, { name: "ci", scopes: ["search"] });
    expect(first.status).toBe(201);
    const made = await first.json<{ id: string; key: string }>();
    expect(made.key).toMatch(/^dvf_/);
    const second = await create(key, again, { name: "ci", scopes: ["search"] });
    expect(second.status).toBe(201);
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(await second.json()).toEqual({ ...made, key: null });
    const listed = await (await call("GET", "/v1/keys", { key })).json<{ items: unknown[] }>();
    expect(listed.items).toHaveLength(2);
  });

  it("forgets an answer that quotes files when files are deleted, and no other", async () => {
    const { key, id } = await newWorkspace();
    const { jobId, files } = await acceptFiles(deps, id, { "secret.md": "The codename is plutoniumduck.\n" });
    await indexFiles(deps, { kind: "index", workspaceId: id, jobId, files });
    const again = fresh();
    const search = async (): Promise<[string | null, number]> => {
      const body = { query: "plutoniumduck", mode: "lexical" };
      const response = await call("POST", "/v1/search", { key, body, headers: { "idempotency-key": again } });
      const { results } = await response.json<{ results: unknown[] }>();
      return [response.headers.get("idempotency-replayed"), results.length];
    };
    const other = fresh();
    await create(key, other, { name: "a", scopes: ["search"] });
    expect([await search(), await search()]).toEqual([
      [null, 1],
      ["true", 1],
    ]);
    expect((await call("POST", "/v1/files/delete", { key, body: { path: "secret.md" } })).status).toBe(200);
    expect(await search()).toEqual([null, 0]);
    const replayed = await create(key, other, { name: "a", scopes: ["search"] });
    expect(replayed.headers.get("idempotency-replayed")).toBe("true");
  });

  it("never stores a credential", async () => {
    const { key } = await newWorkspace();
    const headers = { "idempotency-key": fresh() };
    const made = await (await create(key, fresh(), { name: "a", scopes: ["search"] })).json<{
      key: string;
    }>();
    const token = await call("POST", "/v1/auth/token", { key, body: {}, headers });
    const { access_token } = await token.json<{ access_token: string }>();
    const workspace = await call("POST", "/v1/workspaces", { key: ROOT_KEY, body: { name: "b" }, headers });
    const nested = (await workspace.json<{ key: { key: string } }>()).key.key;
    const replayed = await call("POST", "/v1/auth/token", { key, body: {}, headers });
    expect(await replayed.json()).toMatchObject({ access_token: null, token_type: "Bearer" });
    const db = (env as unknown as { DB: D1Database }).DB;
    const dump = JSON.stringify((await db.prepare("SELECT * FROM idempotency").all()).results);
    for (const secret of [made.key, access_token, nested]) expect(dump).not.toContain(secret);
    expect(dump).toContain("access_token");
  });

  it("answers 409 idempotency_conflict for another body, query or media type", async () => {
    const { key } = await newWorkspace();
    const again = fresh();
    await create(key, again, { name: "a", scopes: ["search"] });
    const other = await create(key, again, { name: "b", scopes: ["search"] });
    expect(other.status).toBe(409);
    expect(await other.json()).toMatchObject({ code: "idempotency_conflict", retryable: false });
  });

  it("keeps 4xx answers, and belongs to one key and one route", async () => {
    const { key } = await newWorkspace();
    const again = fresh();
    expect((await create(key, again, { nme: "a" })).status).toBe(400);
    const replayed = await create(key, again, { nme: "a" });
    expect(replayed.status).toBe(400);
    expect(replayed.headers.get("idempotency-replayed")).toBe("true");
    expect(replayed.headers.get("content-type")).toBe("application/problem+json");
    const other = await newWorkspace();
    expect((await create(other.key, again, { name: "a", scopes: ["search"] })).status).toBe(201);
    const token = await call("POST", "/v1/auth/token", {
      key,
      body: {},
      headers: { "idempotency-key": again },
    });
    expect(token.status).toBe(200);
  });

  it("does the work once of many at once; the others get 409 conflict or the first answer", async () => {
    const { key } = await newWorkspace();
    const again = fresh();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => create(key, again, { name: "a", scopes: ["search"] })),
    );
    const statuses = answers.map((answer) => answer.status);
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(1);
    expect(statuses.filter((status) => status !== 201 && status !== 409)).toEqual([]);
    const listed = await (await call("GET", "/v1/keys", { key })).json<{ items: unknown[] }>();
    expect(listed.items).toHaveLength(2);
  });

  it("authorises before it replays", async () => {
    const { key } = await newWorkspace();
    const again = fresh();
    await create(key, again, { name: "a", scopes: ["search"] });
    expect((await call("POST", "/v1/keys", { body: {}, headers: { "idempotency-key": again } })).status).toBe(
      401,
    );
  });

  it("does not keep 429: the request runs once there is room", async () => {
    const { key } = await newWorkspace();
    const again = fresh();
    const headers = {
      "idempotency-key": again,
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      "cf-connecting-ip": freshAddress(),
    };
    const init = { method: "POST", headers, body: JSON.stringify({ name: "a", scopes: ["search"] }) };
    const tight = appWith({ RATE_LIMIT_MULTIPLIER: "1", RATE_LIMIT_REQUESTS: "1" });
    await tight.fetch("/v1/keys", { headers });
    expect((await tight.fetch("/v1/keys", init)).status).toBe(429);
    expect((await appWith({}).fetch("/v1/keys", init)).status).toBe(201);
  });

  it.each(["", "x".repeat(256), "café"])("refuses the key %j with 400", async (bad) => {
    const { key } = await newWorkspace();
    const response = await create(key, bad, { name: "a", scopes: ["search"] }).catch(() => null);
    if (response === null) return; // not a header at all
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ pointer: "/header/Idempotency-Key" }] });
  });

  it("repeats an upload of bytes by its digest", async () => {
    const { key } = await newWorkspace();
    const headers = { "idempotency-key": fresh() };
    const put = (raw: string) => call("PUT", "/v1/files?path=a.ts", { key, raw, headers });
    const first = await put("export const a = 1;\n".repeat(1000));
    expect(first.status).toBe(202);
    const second = await put("export const a = 1;\n".repeat(1000));
    expect(second.status).toBe(202);
    expect(await second.json()).toEqual(await first.json());
    expect((await put("export const a = 2;\n".repeat(1000))).status).toBe(409);
  });
});
