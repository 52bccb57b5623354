import { describe, expect, it } from "vitest";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { type KeyBody, newKey, problemOf } from "../support/keys.ts";

describe("POST /v1/keys", () => {
  it("makes a key with some of the maker's scopes, shown once", async () => {
    const { key } = await newWorkspace();
    const response = await call("POST", "/v1/keys", {
      key,
      body: { name: " CI ✓ ", scopes: ["index", "search"] },
    });
    expect(response.status).toBe(201);
    const made = await response.json<KeyBody>();
    expect(made).toMatchObject({ name: "CI ✓", scopes: ["search", "index"], limits: {}, revoked_at: null });
    expect(made.key).toMatch(/^dvf_[0-9A-Za-z]{49}$/);
    expect(made.key?.startsWith(made.prefix)).toBe(true);
    expect(response.headers.get("location")).toBe(`/v1/keys/${made.id}`);
    const seen = await (await call("GET", `/v1/keys/${made.id}`, { key })).json<KeyBody>();
    expect(seen).not.toHaveProperty("key");
    expect(seen.prefix).toBe(made.prefix);
  });

  it.each([
    ["a scope that the maker lacks", { scopes: ["search", "ask"] }],
    [
      "a higher limit",
      { scopes: ["search"], limits: { search: { requests: 50_000_000, window_seconds: 3600 } } },
    ],
    [
      "the same number in less time",
      { scopes: ["search"], limits: { search: { requests: 5_000_000, window_seconds: 60 } } },
    ],
    ["a longer life", { scopes: ["search"], expires_at: "2999-01-01T00:00:00Z" }],
    ["no end", { scopes: ["search"], expires_at: null }],
  ])("refuses %s with insufficient_scope", async (_, body) => {
    const { key } = await newWorkspace();
    const maker = await newKey(key, { scopes: ["admin", "search"], expires_at: "2100-01-01T00:00:00Z" });
    const response = await call("POST", "/v1/keys", { key: maker.key, body: { name: "x", ...body } });
    expect(await problemOf(response)).toEqual([403, "insufficient_scope"]);
    expect(response.headers.get("www-authenticate")).toContain('error="insufficient_scope"');
  });

  it("ends a new key with its maker, and hands on the maker's lower limits", async () => {
    const { key } = await newWorkspace();
    const limits = { search: { requests: 3, window_seconds: 3600 } };
    const maker = await newKey(key, { scopes: ["admin"], expires_at: "2100-01-01T00:00:00Z", limits });
    const made = await newKey(maker.key, { scopes: ["admin"] });
    expect(made).toMatchObject({ expires_at: "2100-01-01T00:00:00.000Z", limits });
  });

  it("counts with its maker where the maker's limits were lowered, and with its own makes in turn", async () => {
    const { key } = await newWorkspace();
    const limits = { search: { requests: 3, window_seconds: 3600 } };
    const maker = await newKey(key, { scopes: ["admin", "search"], limits });
    const child = await newKey(maker.key, { scopes: ["admin", "search"] });
    const lower = { search: { requests: 2, window_seconds: 3600 } };
    const grandchild = await newKey(child.key, { scopes: ["search"], limits: lower });
    const search = (by: string) =>
      call("POST", "/v1/search", { key: by, body: { query: "x", mode: "lexical" } });
    expect((await search(child.key)).status).toBe(200);
    expect((await search(grandchild.key)).status).toBe(200);
    expect((await search(grandchild.key)).status).toBe(429);
    expect((await search(maker.key)).status).toBe(200);
    for (const spent of [maker.key, child.key]) expect((await search(spent)).status).toBe(429);
    expect((await call("DELETE", `/v1/keys/${child.id}`, { key })).status).toBeLessThan(300);
    expect((await search(child.key)).status).toBe(401);
    // A key of the standard limits makes keys that count for themselves.
    const own = await newKey(key, { scopes: ["search"], limits: lower });
    expect((await search(own.key)).status).toBe(200);
  });

  it("is refused to a token, to the root key and without the scope admin", async () => {
    const { key } = await newWorkspace();
    const token = await (await call("POST", "/v1/auth/token", { key })).json<{ access_token: string }>();
    const weak = await newKey(key, { scopes: ["search"] });
    for (const credential of [token.access_token, ROOT_KEY, weak.key]) {
      const response = await call("POST", "/v1/keys", {
        key: credential,
        body: { name: "x", scopes: ["search"] },
      });
      expect(await problemOf(response)).toEqual([403, "insufficient_scope"]);
    }
  });

  it.each([
    [{ scopes: [] }, "/scopes"],
    [{ scopes: ["root"] }, "/scopes/0"],
    [{ scopes: ["search"], name: "" }, "/name"],
    [{ scopes: ["search"], expires_at: "2001-01-01T00:00:00Z" }, "/expires_at"],
    [{ scopes: ["search"], expires_at: "tomorrow" }, "/expires_at"],
    [{ scopes: ["search"], limits: { ip: { requests: 1, window_seconds: 1 } } }, "/limits/ip"],
    [
      { scopes: ["search"], limits: { search: { requests: 0, window_seconds: 1 } } },
      "/limits/search/requests",
    ],
    [{ scopes: ["search"], digest: "00" }, "/digest"],
  ])("refuses %j at %s", async (body, pointer) => {
    const { key } = await newWorkspace();
    const response = await call("POST", "/v1/keys", { key, body: { name: "x", ...body } });
    expect(response.status).toBe(400);
    const problem = await response.json<{ errors: { pointer: string }[] }>();
    expect(problem.errors.map((error) => error.pointer)).toContain(pointer);
  });

  it("holds to 100 live keys, however many ask at once", async () => {
    const { key } = await newWorkspace();
    const statuses: number[] = [];
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all(
        Array.from({ length: 26 }, () =>
          call("POST", "/v1/keys", { key, body: { name: "x", scopes: ["search"] } }),
        ),
      );
      statuses.push(...answers.map((answer) => answer.status));
    }
    expect(statuses.filter((status) => status === 201)).toHaveLength(99);
    expect(statuses.filter((status) => status === 403)).toHaveLength(5);
    const { items } = await (await call("GET", "/v1/keys?limit=2", { key })).json<{ items: KeyBody[] }>();
    expect((await call("DELETE", `/v1/keys/${items[0]?.id}`, { key })).status).toBe(200);
    expect(await newKey(key, { scopes: ["search"] })).toHaveProperty("id");
    const full = await call("POST", "/v1/keys", { key, body: { name: "x", scopes: ["search"] } });
    expect(await problemOf(full)).toEqual([403, "quota_exceeded"]);
    // A successor takes the place of its key.
    expect((await call("POST", `/v1/keys/${items[1]?.id}/rotate`, { key })).status).toBe(201);
  });
});

describe("GET /v1/keys", () => {
  it("lists newest first, page by page, while keys are added", async () => {
    const { key } = await newWorkspace();
    const made = [];
    for (let i = 0; i < 4; i++) made.push((await newKey(key, { scopes: ["search"], name: `k${i}` })).name);
    type Page = { items: KeyBody[]; next_cursor: string | null };
    const first = await (await call("GET", "/v1/keys?limit=3", { key })).json<Page>();
    expect(first.items.map((item) => item.name)).toEqual(["k3", "k2", "k1"]);
    await newKey(key, { scopes: ["search"], name: "later" });
    const rest = await (
      await call("GET", `/v1/keys?limit=3&cursor=${first.next_cursor}`, { key })
    ).json<Page>();
    expect(rest.items.map((item) => item.name)).toEqual(["k0", "first admin key"]);
    expect(rest.next_cursor).toBeNull();
    const other = await newWorkspace();
    const foreign = await call("GET", `/v1/keys?cursor=${first.next_cursor}`, { key: other.key });
    expect(await problemOf(foreign)).toEqual([400, "invalid_cursor"]);
  });

  it.each(["0", "101", "1e1", "-1", "", " 5", "٣"])("refuses limit=%j", async (limit) => {
    const { key } = await newWorkspace();
    expect((await call("GET", `/v1/keys?limit=${encodeURIComponent(limit)}`, { key })).status).toBe(400);
  });
});

describe("another workspace's key", () => {
  it("is 404 to read, change, revoke and rotate", async () => {
    const { key } = await newWorkspace();
    const theirs = await newKey((await newWorkspace()).key, { scopes: ["search"] });
    for (const [method, path, body] of [
      ["GET", "", undefined],
      ["PATCH", "", { name: "mine" }],
      ["DELETE", "", undefined],
      ["POST", "/rotate", {}],
    ] as const) {
      const response = await call(method, `/v1/keys/${theirs.id}${path}`, { key, body });
      expect(await problemOf(response)).toEqual([404, "not_found"]);
    }
    expect((await call("GET", "/v1/auth/whoami", { key: theirs.key })).status).toBe(200);
  });
});

describe("PATCH /v1/keys/{id}", () => {
  it("takes scopes away from the key and its tokens on the next request", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search", "admin"] });
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<{
      access_token: string;
    }>();
    for (const credential of [made.key, token.access_token]) {
      expect((await call("GET", "/v1/keys", { key: credential })).status).toBe(200);
    }
    const patched = await call("PATCH", `/v1/keys/${made.id}`, { key, body: { scopes: ["search"] } });
    expect(await patched.json()).toMatchObject({ scopes: ["search"] });
    for (const credential of [made.key, token.access_token]) {
      expect(await problemOf(await call("GET", "/v1/keys", { key: credential }))).toEqual([
        403,
        "insufficient_scope",
      ]);
      const me = await (await call("GET", "/v1/auth/whoami", { key: credential })).json();
      expect(me).toMatchObject({ scopes: ["search"] });
    }
    // A token keeps within what it was made with, and the key may do again what it is given back.
    await call("PATCH", `/v1/keys/${made.id}`, { key, body: { scopes: ["search", "admin", "ask"] } });
    expect((await call("GET", "/v1/keys", { key: made.key })).status).toBe(200);
    const me = await (await call("GET", "/v1/auth/whoami", { key: token.access_token })).json();
    expect(me).toMatchObject({ scopes: ["search", "admin"] });
  });

  it("changes limits on the next request; only the root key raises them", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const whoami = () => call("GET", "/v1/auth/whoami", { key: made.key });
    expect((await whoami()).status).toBe(200);
    const lower = { limits: { poll: { requests: 3, window_seconds: 3600 } } };
    expect((await call("PATCH", `/v1/keys/${made.id}`, { key, body: lower })).status).toBe(200);
    expect((await whoami()).status).toBe(200);
    expect((await whoami()).status).toBe(200);
    expect((await whoami()).status).toBe(429);
    const raise = { limits: { poll: null, search: { requests: 1_000_000_000, window_seconds: 1 } } };
    const refused = await call("PATCH", `/v1/keys/${made.id}`, { key, body: raise });
    expect(await problemOf(refused)).toEqual([403, "insufficient_scope"]);
    expect((await call("PATCH", `/v1/keys/${made.id}`, { key: ROOT_KEY, body: raise })).status).toBe(200);
  });

  it("moves the end, for its tokens too", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<{
      access_token: string;
    }>();
    const whoami = (credential: string) => call("GET", "/v1/auth/whoami", { key: credential });
    expect((await whoami(token.access_token)).status).toBe(200);
    const end = new Date(Date.now() + 300).toISOString();
    expect((await call("PATCH", `/v1/keys/${made.id}`, { key, body: { expires_at: end } })).status).toBe(200);
    expect(await (await whoami(token.access_token)).json()).toMatchObject({ expires_at: end });
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(await problemOf(await whoami(made.key))).toEqual([401, "invalid_api_key"]);
    expect(await problemOf(await whoami(token.access_token))).toEqual([401, "token_expired"]);
    const revived = await call("PATCH", `/v1/keys/${made.id}`, { key, body: { expires_at: null } });
    expect(await problemOf(revived)).toEqual([409, "conflict"]);
  });

  it("does not let a key raise itself", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["admin"], expires_at: "2100-01-01T00:00:00Z" });
    for (const body of [{ scopes: ["admin", "ask"] }, { expires_at: null }]) {
      const response = await call("PATCH", `/v1/keys/${made.id}`, { key: made.key, body });
      expect(await problemOf(response)).toEqual([403, "insufficient_scope"]);
    }
    expect((await call("PATCH", `/v1/keys/${made.id}`, { key, body: {} })).status).toBe(400);
  });
});

describe("DELETE /v1/keys/{id}", () => {
  it("ends the key and its tokens on the next request, and may be repeated", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    const token = await (await call("POST", "/v1/auth/token", { key: made.key })).json<{
      access_token: string;
    }>();
    const whoami = (credential: string) => call("GET", "/v1/auth/whoami", { key: credential });
    // Seen, and so cached.
    expect((await whoami(made.key)).status).toBe(200);
    expect((await whoami(token.access_token)).status).toBe(200);
    const revoked = await (await call("DELETE", `/v1/keys/${made.id}`, { key })).json<KeyBody>();
    expect(revoked.revoked_at).not.toBeNull();
    expect(await problemOf(await whoami(made.key))).toEqual([401, "invalid_api_key"]);
    expect(await problemOf(await whoami(token.access_token))).toEqual([401, "invalid_token"]);
    // Also where the scope would not do: who is nobody is not told what he may not do.
    expect((await call("GET", "/v1/keys", { key: token.access_token })).status).toBe(401);
    const again = await (await call("DELETE", `/v1/keys/${made.id}`, { key })).json<KeyBody>();
    expect(again.revoked_at).toBe(revoked.revoked_at);
  });

  it("lets a key revoke itself, and root make another", async () => {
    const { id, key } = await newWorkspace();
    const { key_id } = await (await call("GET", "/v1/auth/whoami", { key })).json<{ key_id: string }>();
    expect((await call("DELETE", `/v1/keys/${key_id}`, { key })).status).toBe(200);
    expect((await call("GET", "/v1/keys", { key })).status).toBe(401);
    const made = await call("POST", `/v1/workspaces/${id}/keys`, { key: ROOT_KEY });
    expect(made.status).toBe(201);
    const fresh = await made.json<KeyBody>();
    expect((await call("GET", "/v1/keys", { key: fresh.key ?? "" })).status).toBe(200);
  });
});

describe("POST /v1/keys/{id}/rotate", () => {
  it("replaces the key at once, with the same bucket, limits, scopes and end", async () => {
    const { key } = await newWorkspace();
    const limits = { poll: { requests: 3, window_seconds: 3600 } };
    const old = await newKey(key, { scopes: ["search"], limits, expires_at: "2100-01-01T00:00:00Z" });
    const whoami = (credential: string) => call("GET", "/v1/auth/whoami", { key: credential });
    expect((await whoami(old.key)).status).toBe(200);
    expect((await whoami(old.key)).status).toBe(200);
    const response = await call("POST", `/v1/keys/${old.id}/rotate`, { key });
    expect(response.status).toBe(201);
    const next = await response.json<KeyBody & { key: string }>();
    expect(next).toMatchObject({ scopes: ["search"], limits, expires_at: "2100-01-01T00:00:00.000Z" });
    expect(next.id).not.toBe(old.id);
    expect((await whoami(old.key)).status).toBe(401);
    expect((await whoami(next.key)).status).toBe(200);
    expect((await whoami(next.key)).status).toBe(429);
    expect(await problemOf(await call("POST", `/v1/keys/${old.id}/rotate`, { key }))).toEqual([
      409,
      "conflict",
    ]);
  });

  it("lets the old key live for the grace", async () => {
    const { key } = await newWorkspace();
    const old = await newKey(key, { scopes: ["search"] });
    const body = { grace_seconds: 1 };
    const next = await (await call("POST", `/v1/keys/${old.id}/rotate`, { key, body })).json<KeyBody>();
    expect(next.expires_at).toBeNull();
    expect((await call("GET", "/v1/auth/whoami", { key: old.key })).status).toBe(200);
    expect((await call("GET", "/v1/auth/whoami", { key: next.key ?? "" })).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1050));
    expect((await call("GET", "/v1/auth/whoami", { key: old.key })).status).toBe(401);
    expect((await call("GET", "/v1/auth/whoami", { key: next.key ?? "" })).status).toBe(200);
  });

  it("has one successor when asked twice at once", async () => {
    const { key } = await newWorkspace();
    const old = await newKey(key, { scopes: ["search"] });
    const answers = await Promise.all(
      [1, 2, 3].map(() => call("POST", `/v1/keys/${old.id}/rotate`, { key })),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409]);
  });

  it("gives nobody a key that can do more than his own", async () => {
    const { key } = await newWorkspace();
    const strong = await newKey(key, { scopes: ["search"] });
    const weak = await newKey(key, { scopes: ["admin"] });
    const response = await call("POST", `/v1/keys/${strong.id}/rotate`, { key: weak.key });
    expect(await problemOf(response)).toEqual([403, "insufficient_scope"]);
    expect((await call("POST", `/v1/keys/${weak.id}/rotate`, { key: weak.key })).status).toBe(201);
  });
});

describe("last_used_at", () => {
  it("is written behind the answer, once in a while", async () => {
    const { key } = await newWorkspace();
    const made = await newKey(key, { scopes: ["search"] });
    expect(made.last_used_at).toBeNull();
    const seen = async () =>
      (await (await call("GET", `/v1/keys/${made.id}`, { key })).json<KeyBody>()).last_used_at;
    expect(await seen()).toBeNull();
    await call("GET", "/v1/auth/whoami", { key: made.key });
    await expect.poll(seen).not.toBeNull();
    const first = await seen();
    await call("GET", "/v1/auth/whoami", { key: made.key });
    expect(await seen()).toBe(first);
  });
});

describe("rotation by a key with lower limits", () => {
  it("gives nobody more requests than they had", async () => {
    const { key } = await newWorkspace();
    const limits = { search: { requests: 2, window_seconds: 3600 } };
    const low = await newKey(key, { scopes: ["admin", "search"], limits });
    const free = await newKey(key, { scopes: ["admin", "search"] });
    const rotate = (id: string, by: string) => call("POST", `/v1/keys/${id}/rotate`, { key: by, body: {} });
    expect((await rotate(free.id, low.key)).status).toBe(403);
    expect((await rotate(low.id, low.key)).status).toBe(201);
    expect((await rotate(free.id, key)).status).toBe(201);
  });
});

describe("names", () => {
  it.each(["a\nb", "a\u0000", "\ud800", "a\u2028b", "a\u2029b", "a\u202eb", "a\u2066b"])(
    "refuse %j",
    async (name) => {
      const { key } = await newWorkspace();
      const response = await call("POST", "/v1/keys", { key, body: { name, scopes: ["search"] } });
      expect(response.status).toBe(400);
    },
  );
});
