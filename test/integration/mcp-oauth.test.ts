import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress, type TestApp } from "../support/app.ts";
import { newKey } from "../support/keys.ts";

const ORIGIN = "https://api.example.com";
const CALLBACK = "http://127.0.0.1:33418/callback";
const VERIFIER = "a-verifier-of-the-length-that-the-specification-asks-for-0123456789";

let app: TestApp;
let key: string;
let clientId: string;
const address = freshAddress();

const base64url = (bytes: ArrayBuffer) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

async function send(path: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers);
  headers.set("cf-connecting-ip", address);
  return app.fetch(`${ORIGIN}${path}`, { redirect: "manual", ...init, headers });
}

const form = (fields: Record<string, string> | [string, string][]): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams(fields).toString(),
});

async function authorizeQuery(extra: Record<string, string> = {}): Promise<string> {
  const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(VERIFIER)));
  return new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: CALLBACK,
    state: "s1",
    scope: "search",
    code_challenge: challenge,
    code_challenge_method: "S256",
    resource: `${ORIGIN}/mcp`,
    ...extra,
  }).toString();
}

async function allowed(given: string, scopes: string[] = ["search"]): Promise<Response> {
  const fields: [string, string][] = [
    ["key", given],
    ["decision", "allow"],
  ];
  for (const scope of scopes) fields.push(["scope", scope]);
  return send(`/oauth/authorize?${await authorizeQuery()}`, form(fields));
}

async function tokens(given: string, scopes?: string[]) {
  const sent = await allowed(given, scopes);
  const code = new URL(sent.headers.get("location") ?? "").searchParams.get("code") ?? "";
  const answer = await send(
    "/oauth/token",
    form({
      grant_type: "authorization_code",
      code,
      client_id: clientId,
      redirect_uri: CALLBACK,
      code_verifier: VERIFIER,
      resource: `${ORIGIN}/mcp`,
    }),
  );
  return (await answer.json()) as { access_token: string; refresh_token: string; scope: string };
}

const mcp = (token: string, name = "list_files", input: Record<string, unknown> = {}) =>
  send("/mcp", {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: input } }),
  });

beforeAll(async () => {
  app = appWith({ MCP_OAUTH: "true", PUBLIC_HOSTS: "api.example.com" });
  key = (await newWorkspace()).key;
  const registered = await send("/oauth/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: "An <editor>",
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: "none",
    }),
  });
  expect(registered.status).toBe(201);
  clientId = ((await registered.json()) as { client_id: string }).client_id;
});

describe("OAuth for MCP clients", () => {
  it("is off unless the operator turned it on", async () => {
    for (const path of [
      "/.well-known/oauth-authorization-server",
      "/.well-known/oauth-protected-resource/mcp",
      "/oauth/authorize",
    ]) {
      expect((await call("GET", path)).status).toBe(404);
    }
    const refused = await call("POST", "/mcp", { body: {} });
    expect(refused.headers.get("www-authenticate")).not.toContain("resource_metadata");
  });

  it("is discovered from a refusal of /mcp", async () => {
    const refused = await send("/mcp", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    expect(refused.status).toBe(401);
    const named =
      /resource_metadata="([^"]+)"/.exec(refused.headers.get("www-authenticate") ?? "")?.[1] ?? "";
    const resource = (await (await send(new URL(named).pathname)).json()) as {
      resource: string;
      authorization_servers: string[];
    };
    expect(resource).toMatchObject({ resource: `${ORIGIN}/mcp`, authorization_servers: [ORIGIN] });
    const server = (await (await send("/.well-known/oauth-authorization-server")).json()) as Record<
      string,
      unknown
    >;
    expect(server).toMatchObject({
      issuer: ORIGIN,
      authorization_endpoint: `${ORIGIN}/oauth/authorize`,
      token_endpoint: `${ORIGIN}/oauth/token`,
      registration_endpoint: `${ORIGIN}/oauth/register`,
      code_challenge_methods_supported: ["S256"],
    });
  });

  it("shows who asks, escaped, in a page that runs no script, sits in no frame and sets no cookie", async () => {
    const page = await send(`/oauth/authorize?${await authorizeQuery()}`);
    expect(page.status).toBe(200);
    const text = await page.text();
    expect(text).toContain("An &lt;editor&gt;");
    expect(text).toContain("127.0.0.1");
    expect(page.headers.get("content-security-policy")).toBe(
      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' http://127.0.0.1:33418",
    );
    expect(page.headers.get("set-cookie")).toBeNull();
  });

  it("lets a client search with what the person chose, never more than the key may", async () => {
    const { key: searching } = await newKey(key, { scopes: ["search"] });
    const granted = await tokens(searching, ["search", "ask"]);
    expect(granted.scope).toBe("search");
    const answer = (await (await mcp(granted.access_token)).json()) as { result: { isError?: boolean } };
    expect(answer.result.isError).toBeUndefined();
    const asked = (await (await mcp(granted.access_token, "ask", { question: "How?" })).json()) as {
      result: { isError?: boolean; content: { text: string }[] };
    };
    expect(asked.result.isError).toBe(true);
    expect(asked.result.content[0]?.text).toContain("(insufficient_scope)");
  });

  it("ends with the key, at once, and refreshes no more", async () => {
    const made = await newKey(key, { scopes: ["search"] });
    const granted = await tokens(made.key);
    expect((await mcp(granted.access_token)).status).toBe(200);
    await call("DELETE", `/v1/keys/${made.id}`, { key });
    expect((await mcp(granted.access_token)).status).toBe(401);
    const refreshed = await send(
      "/oauth/token",
      form({ grant_type: "refresh_token", refresh_token: granted.refresh_token, client_id: clientId }),
    );
    expect(refreshed.status).toBe(400);
    expect(await refreshed.json()).toMatchObject({ error: "invalid_grant" });
  });

  it("refreshes while the key stands", async () => {
    const granted = await tokens(key);
    const refreshed = await send(
      "/oauth/token",
      form({ grant_type: "refresh_token", refresh_token: granted.refresh_token, client_id: clientId }),
    );
    const { access_token: next } = (await refreshed.json()) as { access_token: string };
    expect((await mcp(next)).status).toBe(200);
  });

  it("is good for /mcp alone", async () => {
    const { access_token: token } = await tokens(key);
    const response = await send("/v1/stats", { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(401);
  });

  it("takes no wrong key, no root key, no token, and counts failures against the address", async () => {
    for (const wrong of ["", `dvf_${"A".repeat(49)}`, ROOT_KEY]) {
      const page = await allowed(wrong);
      expect(page.status, wrong).toBe(200);
      expect(await page.text()).toContain('role="alert"');
    }
    const jwt = await (await call("POST", "/v1/auth/token", { key, body: {} })).json<{
      access_token: string;
    }>();
    expect(await (await allowed(jwt.access_token)).text()).toContain("not a token");
  });

  it("sends a person who declines back without a code", async () => {
    const sent = await send(`/oauth/authorize?${await authorizeQuery()}`, form({ decision: "deny" }));
    expect(sent.status).toBe(303);
    const to = new URL(sent.headers.get("location") ?? "");
    expect([to.origin, to.searchParams.get("error"), to.searchParams.get("state")]).toEqual([
      "http://127.0.0.1:33418",
      "access_denied",
      "s1",
    ]);
  });

  it("sends nobody to an address that the client did not register, and needs PKCE", async () => {
    const elsewhere = await send(
      `/oauth/authorize?${await authorizeQuery({ redirect_uri: "https://evil.example/" })}`,
    );
    expect([elsewhere.status, elsewhere.headers.get("location")]).toEqual([400, null]);
    const unknown = await send(`/oauth/authorize?${await authorizeQuery({ client_id: "nobody" })}`);
    expect(unknown.status).toBe(400);
    const bare = await send(
      `/oauth/authorize?response_type=code&client_id=${clientId}&redirect_uri=${encodeURIComponent(CALLBACK)}`,
    );
    expect(bare.status).toBe(400);
    const wrongVerifier = await allowed(key);
    const code = new URL(wrongVerifier.headers.get("location") ?? "").searchParams.get("code") ?? "";
    const refused = await send(
      "/oauth/token",
      form({
        grant_type: "authorization_code",
        code,
        client_id: clientId,
        redirect_uri: CALLBACK,
        code_verifier: "x".repeat(64),
      }),
    );
    expect(refused.status).toBe(400);
  });

  it("keeps no key in the store of grants", async () => {
    await tokens(key);
    const { OAUTH_KV } = env as unknown as { OAUTH_KV: KVNamespace };
    const { keys } = await OAUTH_KV.list();
    const values = await Promise.all(keys.map(({ name }) => OAUTH_KV.get(name)));
    expect(values.length).toBeGreaterThan(2);
    expect(JSON.stringify([keys, values])).not.toContain(key);
  });
});
