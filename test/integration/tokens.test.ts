import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith } from "../support/app.ts";
import { newKey, problemOf } from "../support/keys.ts";

interface TokenBody {
  access_token: string;
  token_type: string;
  expires_in: number;
  scope: string;
}

describe("POST /v1/auth/token", () => {
  it("gives a token with the key's scopes for half an hour, and no less or more than is asked for", async () => {
    const { id, key } = await newWorkspace("Café");
    const whole = await (await call("POST", "/v1/auth/token", { key })).json<TokenBody>();
    expect(whole).toMatchObject({ token_type: "Bearer", expires_in: 1800, scope: "search index ask admin" });
    const body = { scope: "ask search", expires_in: 60 };
    const response = await call("POST", "/v1/auth/token", { key, body });
    expect(response.headers.get("cache-control")).toBe("no-store");
    const part = await response.json<TokenBody>();
    expect(part).toMatchObject({ expires_in: 60, scope: "search ask" });
    const me = await (await call("GET", "/v1/auth/whoami", { key: part.access_token })).json();
    expect(me).toMatchObject({
      workspace: { id, name: "Café" },
      kind: "jwt",
      scopes: ["search", "ask"],
      limits: { search: { window_seconds: 3600 } },
    });
  });

  it("ends no later than its key", async () => {
    const { key } = await newWorkspace();
    const end = new Date(Date.now() + 100_000).toISOString();
    const made = await newKey(key, { scopes: ["search"], expires_at: end });
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<TokenBody>();
    expect(token.expires_in).toBeLessThanOrEqual(100);
    expect(token.expires_in).toBeGreaterThan(90);
  });

  it("is refused to a token, to the root key, and for scopes that the key lacks", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<TokenBody>();
    expect(await problemOf(await call("POST", "/v1/auth/token", { key: token.access_token }))).toEqual([
      403,
      "insufficient_scope",
    ]);
    expect((await call("POST", "/v1/auth/token", { key: ROOT_KEY })).status).toBe(403);
    const more = await call("POST", "/v1/auth/token", { key: made.key, body: { scope: "search admin" } });
    expect(await problemOf(more)).toEqual([403, "insufficient_scope"]);
  });

  it.each([
    [{ scope: "" }, "/scope"],
    [{ scope: "search  ask" }, "/scope"],
    [{ scope: "root" }, "/scope"],
    [{ scope: ["search"] }, "/scope"],
    [{ expires_in: 59 }, "/expires_in"],
    [{ expires_in: 3601 }, "/expires_in"],
    [{ expires_in: 60.5 }, "/expires_in"],
    [{ grant_type: "client_credentials" }, "/grant_type"],
  ])("refuses %j at %s", async (body, pointer) => {
    const { key } = await newWorkspace();
    const response = await call("POST", "/v1/auth/token", { key, body });
    expect(response.status).toBe(400);
    const problem = await response.json<{ errors: { pointer: string }[] }>();
    expect(problem.errors[0]?.pointer).toBe(pointer);
  });
});

describe("GET /v1/auth/whoami", () => {
  it("knows the root key, which belongs to no workspace", async () => {
    const me = await (await call("GET", "/v1/auth/whoami", { key: ROOT_KEY })).json();
    expect(me).toMatchObject({ workspace: null, key_id: "root", kind: "root", scopes: [], expires_at: null });
  });

  it("challenges as RFC 6750 says", async () => {
    const none = await call("GET", "/v1/auth/whoami");
    expect(none.status).toBe(401);
    expect(none.headers.get("www-authenticate")).toBe('Bearer realm="devflow"');
    const wrong = await call("GET", "/v1/auth/whoami", { key: "a.b.c" });
    expect(await problemOf(wrong.clone())).toEqual([401, "invalid_token"]);
    expect((await wrong.json<{ detail: string }>()).detail).toBe("Invalid token");
    expect(wrong.headers.get("www-authenticate")).toContain('error="invalid_token"');
  });

  it("refuses two Authorization headers", async () => {
    const { key } = await newWorkspace();
    const response = await call("GET", "/v1/auth/whoami", {
      headers: { authorization: `Bearer ${key}, Bearer ${key}` },
    });
    expect(await problemOf(response)).toEqual([401, "invalid_api_key"]);
  });

  it("takes no credential from the URL or a cookie", async () => {
    const { key } = await newWorkspace();
    const response = await call("GET", `/v1/auth/whoami?access_token=${key}`, {
      headers: { cookie: `key=${key}` },
    });
    expect(response.status).toBe(401);
  });
});

/** D1, counting the statements that are run. */
function countingDatabase() {
  const counts = { statements: 0 };
  const database = new Proxy(env.DB, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        if (name === "prepare") counts.statements++;
        return Reflect.apply(member, target, args);
      };
    },
  });
  return { counts, database };
}

describe("the hot path", () => {
  it("reads D1 once in a minute for a key, not at all for a token or a wrong checksum", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<TokenBody>();
    const { counts, database } = countingDatabase();
    const app = appWith({}, { DB: database });
    // Answered by the checks alone: the route that it names does not exist for this scope.
    const ask = async (credential: string) => {
      const before = counts.statements;
      const { status } = await app.quick("/v1/keys?limit=0", {
        headers: { authorization: `Bearer ${credential}` },
      });
      return { status, statements: counts.statements - before };
    };
    expect(await ask(token.access_token)).toEqual({ status: 403, statements: 0 });
    expect(await ask(`${made.key.slice(0, -1)}${made.key.endsWith("a") ? "b" : "a"}`)).toEqual({
      status: 401,
      statements: 0,
    });
    const admin = await newKey(key, { scopes: ["admin"] });
    const passes = [await ask(admin.key), await ask(admin.key), await ask(admin.key)];
    // The time of its use is the one more, behind the answer.
    expect(passes.map(({ status }) => status)).toEqual([400, 400, 400]);
    expect(passes[0]?.statements).toBeLessThanOrEqual(2);
    expect(passes.slice(1).map(({ statements }) => statements)).toEqual([0, 0]);
  });

  it("asks D1 where limiters are down, and refuses where D1 is down too", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<TokenBody>();
    const down = () => {
      throw new Error("down");
    };
    const real = env.RATE_LIMITER;
    const limiters = {
      idFromName: (name: string) => name,
      get: (name: string) =>
        name.startsWith("key:") ? { take: down, giveBack: down } : real.get(real.idFromName(name)),
    };
    const app = appWith({}, { RATE_LIMITER: limiters });
    const whoami = (credential: string, on = app) =>
      on.quick("/v1/auth/whoami", { headers: { authorization: `Bearer ${credential}` } });
    expect((await whoami(made.key)).status).toBe(200);
    expect((await whoami(token.access_token)).status).toBe(200);
    await call("DELETE", `/v1/keys/${made.id}`, { key });
    expect(await problemOf(await whoami(made.key))).toEqual([401, "invalid_api_key"]);
    expect(await problemOf(await whoami(token.access_token))).toEqual([401, "invalid_token"]);
    const dark = appWith({}, { RATE_LIMITER: limiters, DB: { prepare: down, batch: down } });
    expect((await whoami(made.key, dark)).status).toBe(503);
    expect((await whoami(token.access_token, dark)).status).toBe(503);
  });

  it("says so when a revocation could not be announced, and can be asked again", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const real = env.RATE_LIMITER;
    let failures = 0;
    const limiters = {
      idFromName: (name: string) => real.idFromName(name),
      get(id: DurableObjectId) {
        const stub = real.get(id);
        return {
          take: (...charges: Parameters<typeof stub.take>) => stub.take(...charges),
          giveBack: (...charges: Parameters<typeof stub.giveBack>) => stub.giveBack(...charges),
          async revoke() {
            failures++;
            throw new Error("down");
          },
        };
      },
    };
    const app = appWith({}, { RATE_LIMITER: limiters });
    const revoke = (on: typeof app) =>
      on.fetch(`/v1/keys/${made.id}`, { method: "DELETE", headers: { authorization: `Bearer ${key}` } });
    expect(await problemOf(await revoke(app))).toEqual([503, "upstream_unavailable"]);
    expect(failures).toBe(3);
    expect((await revoke(appWith({}))).status).toBe(200);
    expect((await call("GET", "/v1/auth/whoami", { key: made.key })).status).toBe(401);
  });
});
