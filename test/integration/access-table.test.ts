import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { createApp } from "../../src/app.ts";
import { generateApiKey } from "../../src/auth/api-key.ts";
import { parseConfig } from "../../src/config.ts";
import { newTimeId } from "../../src/core/ids.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { newKey } from "../support/keys.ts";

/**
 * Every route of the OpenAPI document × every kind of credential. The routes are read from the document, so that a
 * new one is in the table without anybody thinking of it; `x-access` says who may call.
 */
interface Operation {
  method: string;
  path: string;
  access: string;
}

const SCOPES = ["search", "index", "ask", "admin"];
/** What a path's `{id}` names: another workspace's object has to be 404. A new kind of object needs an entry. */
const FOREIGN: Record<string, () => Promise<string>> = {
  "/v1/keys/": async () => (await newKey((await newWorkspace()).key, { scopes: ["search"] })).id,
  "/v1/jobs/": async () => foreignJob((await newWorkspace()).id),
  "/v1/exports/": async () => foreignJob((await newWorkspace()).id, "export"),
  "/v1/syncs/": async () => foreignSync((await newWorkspace()).key),
};
/** A body that the route would accept, where `{}` is not one. */
const BODIES: Record<string, unknown> = { "PATCH /v1/keys/{id}": { name: "renamed" } };

async function foreignJob(workspaceId: string, kind = "index"): Promise<string> {
  const id = newTimeId("job", Date.now());
  await env.DB.prepare(
    `INSERT INTO jobs (id, workspace_id, kind, status, spec, expanded, created_at, updated_at)
     VALUES (?, ?, ?, 'succeeded', '{}', 1, 1, 1)`,
  )
    .bind(id, workspaceId, kind)
    .run();
  return id;
}

async function foreignSync(key: string): Promise<string> {
  const response = await call("POST", "/v1/syncs", { key, body: { files: [] } });
  return (await response.json<{ id: string }>()).id;
}

async function readOperations(): Promise<Operation[]> {
  const document = await (await call("GET", "/openapi.json")).json<{
    paths: Record<string, Record<string, { "x-access"?: string }>>;
  }>();
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      access: operation["x-access"] ?? "undeclared",
    })),
  );
}

/** Sends what reaches the route; parameters that name nothing. */
async function send(
  { method, path }: Operation,
  key: string | null,
): Promise<{ status: number; code: string }> {
  const response = await call(method, path.replaceAll(/\{\w+\}/g, "nothing"), { key });
  const text = await response.text();
  const problem = response.headers.get("content-type")?.includes("problem+json") === true;
  return { status: response.status, code: problem ? JSON.parse(text).code : "" };
}

let operations: Operation[];
const keys = { none: null, unknown: "", expired: "", revoked: "", revokedToken: "", whole: "", token: "" };
const lacking: Record<string, string> = {};

beforeAll(async () => {
  operations = await readOperations();
  const { key } = await newWorkspace();
  keys.whole = key;
  keys.token = await tokenOf(key);
  keys.unknown = generateApiKey();
  const end = new Date(Date.now() + 200).toISOString();
  keys.expired = (await newKey(key, { scopes: SCOPES, expires_at: end })).key;
  const revoked = await newKey(key, { scopes: SCOPES });
  keys.revoked = revoked.key;
  keys.revokedToken = await tokenOf(revoked.key);
  await call("DELETE", `/v1/keys/${revoked.id}`, { key });
  for (const scope of SCOPES) {
    lacking[scope] = (await newKey(key, { scopes: SCOPES.filter((one) => one !== scope) })).key;
  }
  await new Promise((resolve) => setTimeout(resolve, 250));
});

async function tokenOf(key: string): Promise<string> {
  return (await (await call("POST", "/v1/auth/token", { key })).json<{ access_token: string }>())
    .access_token;
}

/** Every protected route's answer to the credential, as `METHOD path status code`; those as expected left out. */
async function unexpected(
  routes: Operation[],
  key: (operation: Operation) => string | null,
  expected: string | ((answer: { status: number; code: string }) => boolean),
): Promise<string[]> {
  const wrong: string[] = [];
  for (const operation of routes) {
    const answer = await send(operation, key(operation));
    const line = `${answer.status} ${answer.code}`;
    const right = typeof expected === "string" ? line === expected : expected(answer);
    if (!right) wrong.push(`${operation.method} ${operation.path}: ${line}`);
  }
  return wrong;
}

const guarded = () => operations.filter(({ access }) => access !== "public");
const passed = ({ status }: { status: number }) => status !== 401 && status !== 403 && status < 500;

describe("every route × every credential", () => {
  it("has routes to look at, each with a declared access", () => {
    expect(guarded().length).toBeGreaterThan(20);
    const known = new Set([
      "public",
      "root",
      "any",
      "api_key",
      "admin_key",
      "admin_or_root",
      "workspace",
      ...SCOPES,
    ]);
    expect(operations.filter(({ access }) => !known.has(access))).toEqual([]);
  });

  it("is open to all only outside /v1", () => {
    const open = operations.filter(({ access }) => access === "public").map(({ path }) => path);
    expect(open.filter((path) => path.startsWith("/v1"))).toEqual([]);
  });

  it.each([
    ["no credential", () => keys.none, "401 unauthenticated"],
    ["a key that nobody made", () => keys.unknown, "401 invalid_api_key"],
    ["a malformed key", () => "dvf_nonsense", "401 invalid_api_key"],
    ["a malformed token", () => "a.b.c", "401 invalid_token"],
    ["an expired key", () => keys.expired, "401 invalid_api_key"],
    ["a revoked key", () => keys.revoked, "401 invalid_api_key"],
    ["a revoked key's token", () => keys.revokedToken, "401 invalid_token"],
  ])("refuses %s", async (_, key, expected) => {
    expect(await unexpected(guarded(), key, expected)).toEqual([]);
  });

  it("refuses a key that lacks the scope", async () => {
    const scopeOf = ({ access }: Operation) => (access.startsWith("admin") ? "admin" : access);
    const scoped = guarded().filter((operation) => SCOPES.includes(scopeOf(operation)));
    expect(scoped.length).toBeGreaterThan(8);
    const key = (operation: Operation) => lacking[scopeOf(operation)] ?? null;
    expect(await unexpected(scoped, key, "403 insufficient_scope")).toEqual([]);
  });

  it("refuses a token where only a key may do it", async () => {
    const ownKey = guarded().filter(({ access }) => access === "api_key" || access === "admin_key");
    expect(ownKey.length).toBeGreaterThanOrEqual(3);
    expect(await unexpected(ownKey, () => keys.token, "403 insufficient_scope")).toEqual([]);
  });

  it("refuses the root key on a workspace's data", async () => {
    const data = guarded().filter(({ access }) => !["root", "any", "admin_or_root"].includes(access));
    expect(data.length).toBeGreaterThan(8);
    expect(await unexpected(data, () => ROOT_KEY, "403 insufficient_scope")).toEqual([]);
  });

  it("refuses a workspace's key on administration", async () => {
    const administration = guarded().filter(({ access }) => access === "root");
    expect(administration.length).toBeGreaterThan(4);
    for (const key of [keys.whole, keys.token]) {
      expect(await unexpected(administration, () => key, "403 insufficient_scope")).toEqual([]);
    }
  });

  it("lets through who may: otherwise the refusals above would mean nothing", async () => {
    const root = guarded().filter(({ access }) => ["root", "any", "admin_or_root"].includes(access));
    expect(await unexpected(root, () => ROOT_KEY, passed)).toEqual([]);
    const own = guarded().filter(({ access }) => access !== "root");
    expect(await unexpected(own, () => keys.whole, passed)).toEqual([]);
  });

  it("answers 404 for another workspace's object, whatever it is", async () => {
    const wrong: string[] = [];
    const named = guarded().filter(({ path, access }) => path.includes("{") && access !== "root");
    for (const { method, path } of named) {
      const kind = Object.keys(FOREIGN).find((prefix) => path.startsWith(prefix));
      const id = kind === undefined ? undefined : await FOREIGN[kind]?.();
      if (id === undefined) {
        wrong.push(`${method} ${path}: no entry in FOREIGN`);
        continue;
      }
      const body = method === "GET" || method === "DELETE" ? undefined : (BODIES[`${method} ${path}`] ?? {});
      const response = await call(method, path.replace(/\{\w+\}/, id), { key: keys.whole, body });
      if (response.status !== 404)
        wrong.push(`${method} ${path}: ${response.status} ${await response.text()}`);
    }
    expect(named.length).toBeGreaterThan(4);
    expect(wrong).toEqual([]);
  });
});

describe("the OpenAPI document", () => {
  it("lists exactly what the application serves", () => {
    const app = createApp(parseConfig(env as unknown as Record<string, unknown>));
    const served = app.routes
      .filter(({ method }) => method !== "ALL" && method !== "OPTIONS")
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
    const documented = operations.map(({ method, path }) => `${method} ${path}`);
    expect([...new Set(served)].sort()).toEqual(documented.sort());
  });

  it("names the policy that limits each guarded route", async () => {
    const document = await (await call("GET", "/openapi.json")).json<{
      paths: Record<string, Record<string, { "x-access": string; "x-rate-limit"?: string }>>;
    }>();
    const all = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, ...operation })),
    );
    const unlimited = all.filter((one) => one["x-access"] !== "public" && one["x-rate-limit"] === undefined);
    expect(unlimited.map(({ name }) => name)).toEqual([]);
  });
});
