import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith } from "../support/app.ts";
import { problemOf } from "../support/keys.ts";

const ISSUER = "https://id.example.com/";
const JWKS_URL = "https://id.example.com/jwks.json";
let pair: CryptoKeyPair;
let jwk: Record<string, unknown>;

beforeAll(async () => {
  pair = (await generateKeyPair("ES256", { extractable: true })) as CryptoKeyPair;
  jwk = { ...(await exportJWK(pair.publicKey)), kid: "one", use: "sig", alg: "ES256" };
});

/** A deployment that takes the issuer's tokens for one workspace, and what it fetched. */
async function deployment(options: { answer?: () => Response; now?: number } = {}) {
  const { id } = await newWorkspace("with an issuer");
  const fetched: { url: string; redirect: unknown }[] = [];
  const issuers = [
    {
      issuer: ISSUER,
      audience: "devflow",
      jwks_url: JWKS_URL,
      workspace_claim: "devflow_workspace",
      workspaces: [id],
      scopes: { "code.read": ["search", "ask"], "code.write": ["index"] },
    },
  ];
  const app = appWith({ JWT_ISSUERS: JSON.stringify(issuers) }, {}, async (url, init) => {
    fetched.push({ url, redirect: init.redirect });
    return options.answer?.() ?? Response.json({ keys: [jwk] });
  });
  const whoami = (token: string) =>
    app.fetch("/v1/auth/whoami", { headers: { authorization: `Bearer ${token}` } });
  return { id, fetched, app, whoami };
}

async function tokenFor(
  workspace: string,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key: CryptoKey = pair.privateKey,
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const all = {
    iss: ISSUER,
    aud: "devflow",
    sub: "alice",
    iat: now,
    exp: now + 600,
    devflow_workspace: workspace,
    scope: "openid code.read",
    ...claims,
  };
  return new SignJWT(JSON.parse(JSON.stringify(all)))
    .setProtectedHeader({ alg: "ES256", kid: "one", ...header })
    .sign(key);
}

describe("a token of another issuer", () => {
  it("speaks for the workspace that it names, with the scopes that are translated", async () => {
    const { id, whoami, fetched } = await deployment();
    const response = await whoami(await tokenFor(id));
    expect(response.status).toBe(200);
    const me = await response.json<{ key_id: string }>();
    expect(me).toMatchObject({ workspace: { id }, kind: "jwt", scopes: ["search", "ask"] });
    expect(me.key_id).toMatch(/^ext_[0-9a-z]{25}$/);
    expect((await whoami(await tokenFor(id, { sub: "bob", scope: ["code.write"] }))).status).toBe(200);
    expect(fetched).toEqual([{ url: JWKS_URL, redirect: "manual" }]);
  });

  it.each([
    ["for another workspace", { devflow_workspace: "ws_0000000000000000000000000" }],
    ["for no workspace", { devflow_workspace: undefined }],
    ["for a list of workspaces", { devflow_workspace: ["ws_a"] }],
    ["for somebody else", { aud: "other" }],
    ["of an unknown issuer", { iss: "https://evil.example.com/" }],
    ["of the issuer in another spelling", { iss: "https://id.example.com" }],
    ["without an end", { exp: undefined }],
    ["without a subject", { sub: undefined }],
    ["that lives ten years", { exp: Math.floor(Date.now() / 1000) + 315_360_000 }],
    [
      "from the future",
      { iat: Math.floor(Date.now() / 1000) + 300, exp: Math.floor(Date.now() / 1000) + 600 },
    ],
  ])("is refused %s", async (_, claims) => {
    const { id, whoami } = await deployment();
    expect(await problemOf(await whoami(await tokenFor(id, claims)))).toEqual([401, "invalid_token"]);
  });

  it("is refused once it has ended, and with another's signature, key or algorithm", async () => {
    const { id, whoami } = await deployment();
    const now = Math.floor(Date.now() / 1000);
    const ended = await whoami(await tokenFor(id, { iat: now - 700, exp: now - 100 }));
    expect(await problemOf(ended)).toEqual([401, "token_expired"]);
    const other = (await generateKeyPair("ES256")) as CryptoKeyPair;
    expect((await whoami(await tokenFor(id, {}, {}, other.privateKey))).status).toBe(401);
    expect((await whoami(await tokenFor(id, {}, { kid: "two" }))).status).toBe(401);
    expect((await whoami(await tokenFor(id, {}, { jwk }))).status).toBe(401);
    const rsa = (await generateKeyPair("PS256")) as CryptoKeyPair;
    expect((await whoami(await tokenFor(id, {}, { alg: "PS256" }, rsa.privateKey))).status).toBe(401);
  });

  it("is refused where the issuer publishes a symmetric key, and never meets our own secrets", async () => {
    const secret = new TextEncoder().encode("k".repeat(32));
    const { id, whoami } = await deployment({
      answer: () =>
        Response.json({ keys: [{ kty: "oct", kid: "one", k: btoa("k".repeat(32)), alg: "HS256" }] }),
    });
    const hs = await new SignJWT({ iss: ISSUER, aud: "devflow", sub: "a", devflow_workspace: id })
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(secret);
    expect((await whoami(hs)).status).toBe(401);
    expect((await whoami(await tokenFor(id))).status).toBe(401);
  });

  it("can never administer", async () => {
    const { id, app } = await deployment();
    const token = await tokenFor(id, { scope: "code.read code.write admin" });
    for (const path of ["/v1/keys", "/v1/workspaces"]) {
      const response = await app.fetch(path, { headers: { authorization: `Bearer ${token}` } });
      expect(response.status).toBe(403);
    }
  });

  it("has the keys read again for an unknown key id, but not over and over", async () => {
    const { id, whoami, fetched } = await deployment();
    expect((await whoami(await tokenFor(id))).status).toBe(200);
    for (let i = 0; i < 5; i++) {
      expect((await whoami(await tokenFor(id, {}, { kid: `unknown-${i}` }))).status).toBe(401);
    }
    expect(fetched).toHaveLength(1);
  });

  it.each([
    [
      "a redirect",
      () => new Response(null, { status: 302, headers: { location: "https://evil.example.com/" } }),
    ],
    ["an error", () => new Response("dvf_secret upstream words", { status: 500 })],
    ["no JSON", () => new Response("<html>")],
    ["another form", () => Response.json({ keys: "none" })],
    ["more than it should", () => new Response(" ".repeat(70_000))],
  ])("is answered 503 where the keys cannot be read: %s", async (_, answer) => {
    const { id, whoami, fetched } = await deployment({ answer });
    const token = await tokenFor(id);
    const response = await whoami(token);
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain("upstream words");
    expect((await whoami(token)).status).toBe(503);
    expect(fetched).toHaveLength(1);
  });

  it("is unknown where the settings name no issuer", async () => {
    const { id } = await newWorkspace();
    const app = appWith({});
    const response = await app.fetch("/v1/auth/whoami", {
      headers: { authorization: `Bearer ${await tokenFor(id)}` },
    });
    expect(await problemOf(response)).toEqual([401, "invalid_token"]);
  });

  it("keeps administration with the root key", async () => {
    const { app } = await deployment();
    const response = await app.fetch("/v1/workspaces", { headers: { authorization: `Bearer ${ROOT_KEY}` } });
    expect(response.status).toBe(200);
  });
});
