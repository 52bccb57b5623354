import { generateKeyPair, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { type MintDeps, mintToken, readOwnToken } from "../../../src/auth/token.ts";
import { TokenKeys } from "../../../src/auth/token-keys.ts";
import { DevFlowError } from "../../../src/core/errors.ts";
import { base64url, hmacSha256 } from "../../../src/core/hash.ts";
import { Secret } from "../../../src/core/secret.ts";

const SECRET = "Vb8kQ2nT5wZ1xC4rE7yU0iO3pA6sD9fG_hJkLzXcVbN";
const NOW_MS = 1_800_000_000_000;
const NOW = NOW_MS / 1000;
const deps = (secret = SECRET, previous: string | null = null, nowMs = NOW_MS): MintDeps => ({
  tokenKeys: new TokenKeys(new Secret(secret), previous === null ? null : new Secret(previous)),
  issuer: "urn:devflow:test",
  now: () => nowMs,
});
const KEY = {
  keyId: "key_01m857vzmrqk01qm4jzmjdz6y3",
  workspaceId: "ws_db4kftaz0y3r3j9dppyjxmmxj",
  bucketId: "key_01m857vzj6myq5zsk5730vpx41",
  limits: {},
  asOf: 7,
};
const mint = (of = deps(), seconds = 1800) => mintToken(of, KEY, ["search", "ask"], seconds);

async function codeOf(token: string, of = deps()): Promise<string> {
  try {
    await readOwnToken(of, token);
    return "accepted";
  } catch (error) {
    return error instanceof DevFlowError ? `${error.code}: ${error.message}` : String(error);
  }
}

const part = (value: unknown) =>
  base64url(new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)));
const decoded = (text = "") => JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));

/** Header and claims of a good token, and a way to sign others as the holder of the secret would. */
async function forge(
  change: {
    header?: Record<string, unknown>;
    claims?: Record<string, unknown>;
    rawHeader?: string;
    rawClaims?: string;
  },
  secret = SECRET,
): Promise<string> {
  const [header, claims] = (await mint()).split(".").map((text, i) => (i < 2 ? decoded(text) : null));
  const clean = (value: Record<string, unknown>) => JSON.parse(JSON.stringify(value));
  const head = part(change.rawHeader ?? clean({ ...header, ...change.header }));
  const body = part(change.rawClaims ?? clean({ ...claims, ...change.claims }));
  return `${head}.${body}.${base64url(await hmacSha256(secret, `${head}.${body}`))}`;
}

const INVALID = "invalid_token: Invalid token";

describe("our own tokens", () => {
  it("say who, what for and until when", async () => {
    const principal = await readOwnToken(deps(), await mint());
    expect(principal).toEqual({
      kind: "jwt",
      issuer: null,
      ...KEY,
      scopes: ["search", "ask"],
      expiresAtMs: NOW_MS + 1_800_000,
    });
    const [header, claims] = (await mint()).split(".").slice(0, 2).map(decoded);
    expect(header).toEqual({ alg: "HS256", typ: "at+jwt", kid: expect.stringMatching(/^[\w-]{12}$/) });
    expect(Object.keys(claims).sort()).toEqual([
      "aud",
      "bkt",
      "epo",
      "exp",
      "iat",
      "iss",
      "jti",
      "scope",
      "sub",
      "ws",
    ]);
  });

  it("pass until their end, and are then told apart from wrong ones", async () => {
    const token = await mint(deps(), 60);
    expect(await codeOf(token, deps(SECRET, null, NOW_MS + 59_999))).toBe("accepted");
    expect(await codeOf(token, deps(SECRET, null, NOW_MS + 60_000))).toBe("token_expired: Token expired");
    const wrong = `${token.slice(0, -3)}AAA`;
    expect(await codeOf(wrong, deps(SECRET, null, NOW_MS + 60_000))).toBe(INVALID);
  });

  it("are verified by the current and the previous secret, and signed by the current", async () => {
    const next = "Nx4mK9bQ7vR2tW5yP8uI1oL3jH6gF0dS-aZqWsXcDeR";
    const old = await mint();
    expect(await codeOf(old, deps(next, SECRET))).toBe("accepted");
    expect(await codeOf(old, deps(next))).toBe(INVALID);
    const fresh = await mint(deps(next, SECRET));
    expect(await codeOf(fresh, deps(next))).toBe("accepted");
    expect(await codeOf(fresh, deps())).toBe(INVALID);
  });
});

describe("a token signed with the right secret", () => {
  it("is accepted where nothing is changed, so that the refusals below mean something", async () => {
    expect(await codeOf(await forge({}))).toBe("accepted");
  });

  it.each([
    ["lives ten years", { exp: NOW + 315_360_000 }],
    ["lives a second too long", { exp: NOW + 3601 }],
    ["ended before it was made", { iat: NOW, exp: NOW - 1 }],
    ["comes from the future", { iat: NOW + 60, exp: NOW + 120 }],
    ["is not yet valid", { nbf: NOW + 60 }],
    ["has no end", { exp: undefined }],
    ["has no beginning", { iat: undefined }],
    ["has no id", { jti: undefined }],
    ["names no key", { sub: undefined }],
    ["names no workspace", { ws: undefined }],
    ["names no bucket", { bkt: undefined }],
    ["names no epoch", { epo: undefined }],
    ["names no issuer", { iss: undefined }],
    ["names another environment", { iss: "urn:devflow:production" }],
    ["is for somebody else", { aud: "urn:other" }],
    ["is for several", { aud: ["urn:devflow:api", "urn:other"] }],
    ["has a fractional end", { exp: NOW + 60.5 }],
    ["has an end in words", { exp: String(NOW + 60) }],
    ["has a negative time", { iat: -1, exp: 10 }],
    ["has a huge time", { iat: NOW, exp: 1e300 }],
    ["has no scope", { scope: "" }],
    ["has an unknown scope", { scope: "search root" }],
    ["has a scope twice", { scope: "search search" }],
    ["has scopes as a list", { scope: ["search"] }],
    ["has SQL for a key", { sub: "key_' OR 1=1 --" }],
    ["has a path for a workspace", { ws: "ws_../../other" }],
    ["has limits of another form", { lim: { search: { requests: -1, window_seconds: 1 } } }],
  ])("is refused when it %s", async (_, claims) => {
    expect(await codeOf(await forge({ claims }))).toBe(INVALID);
  });

  it.each([
    ["alg none", { alg: "none" }],
    ["alg None", { alg: "None" }],
    ["alg nOnE", { alg: "nOnE" }],
    ["alg HS384", { alg: "HS384" }],
    ["alg hs256", { alg: "hs256" }],
    ["alg RS256", { alg: "RS256" }],
    ["alg list", { alg: ["HS256"] }],
    ["no alg", { alg: undefined }],
    ["no typ", { typ: undefined }],
    ["typ JWT", { typ: "JWT" }],
    ["typ AT+JWT", { typ: "AT+JWT" }],
    ["no kid", { kid: undefined }],
    ["kid of a path", { kid: "../../../../dev/null" }],
    ["kid of SQL", { kid: "x' UNION SELECT 'key' --" }],
    ["kid of a property", { kid: "__proto__" }],
    ["kid of a number", { kid: 0 }],
    ["crit", { crit: ["exp"] }],
    ["an empty crit", { crit: [] }],
    ["b64 false", { b64: false }],
    ["zip", { zip: "DEF" }],
    ["an embedded key", { jwk: { kty: "oct", k: part(SECRET) } }],
    ["a key's address", { jku: "https://attacker.example/jwks.json" }],
    ["a certificate", { x5c: ["MII"] }],
    ["a certificate's address", { x5u: "https://attacker.example/x" }],
    ["an unknown member", { extra: 1 }],
  ])("is refused with %s in its header", async (_, header) => {
    expect(await codeOf(await forge({ header }))).toBe(INVALID);
  });

  it("is refused with a member twice, in header or claims", async () => {
    const [header = "", claims = ""] = (await mint())
      .split(".")
      .slice(0, 2)
      .map((text) => atob(text.replaceAll("-", "+").replaceAll("_", "/")));
    expect(await codeOf(await forge({ rawHeader: header, rawClaims: claims }))).toBe("accepted");
    for (const doubled of [
      { rawHeader: header, rawClaims: claims.replace("}", ',"scope":"admin"}') },
      { rawHeader: header, rawClaims: claims.replace("}", ',"\\u0073cope":"admin"}') },
      { rawHeader: header.replace("}", ',"alg":"HS256"}'), rawClaims: claims },
    ]) {
      expect(await codeOf(await forge(doubled))).toBe(INVALID);
    }
  });

  it.each(["[]", "null", '"x"', "", "{", "\ufeff{}"])("is refused with the claims %j", async (rawClaims) => {
    expect(await codeOf(await forge({ rawClaims }))).toBe(INVALID);
  });
});

describe("a token that the secret did not sign", () => {
  it("is refused, whatever it claims", async () => {
    for (const secret of ["\0", "secret", "null", SECRET.slice(1), `${SECRET} `]) {
      expect(await codeOf(await forge({}, secret))).toBe(INVALID);
    }
  });

  it("is refused without a signature, whatever the algorithm", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE", "", "HS256", null, 0]) {
      const [head, body] = (await forge({ header: { alg } })).split(".");
      for (const token of [`${head}.${body}.`, `${head}.${body}`, `${head}.${body}.AA`]) {
        expect(await codeOf(token)).toBe(INVALID);
      }
    }
  });

  it("is refused when a public key signed or served as the secret (RS256 and HS256 confused)", async () => {
    const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
    const [, claims] = (await mint()).split(".").slice(0, 2).map(decoded);
    const [header] = (await mint()).split(".").slice(0, 1).map(decoded);
    const signed = await new SignJWT(claims).setProtectedHeader({ ...header, alg: "RS256" }).sign(privateKey);
    expect(await codeOf(signed)).toBe(INVALID);
    const exported = (await crypto.subtle.exportKey("spki", publicKey)) as ArrayBuffer;
    const spki = base64url(new Uint8Array(exported));
    expect(await codeOf(await forge({}, spki))).toBe(INVALID);
  });
});

describe("the form of a token", () => {
  it("is taken by the letter", async () => {
    const token = await mint();
    const [head = "", body = "", signature = ""] = token.split(".");
    const spoiled = [
      `${token}=`,
      `${token}.`,
      `.${token}`,
      `${head}=.${body}.${signature}`,
      `${head}.${body}\n.${signature}`,
      `${head}. ${body}.${signature}`,
      `${head}..${signature}`,
      `.${body}.${signature}`,
      `${head}.${body}.${signature.replaceAll("-", "+").replaceAll("_", "/")}+`,
      `${head}.${body}.${signature}.${signature}`,
      `${head}.${body}.${"A".repeat(9000)}`,
      token.toLowerCase(),
    ];
    for (const text of spoiled) expect(await codeOf(text)).toBe(INVALID);
  });

  it("has no second spelling: stray bits of the last character are refused", async () => {
    const token = await mint();
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(token.at(-1) ?? "");
    // 32 bytes end in a character of which 4 bits count.
    for (const stray of [1, 2, 3]) {
      expect(await codeOf(token.slice(0, -1) + alphabet[last ^ stray])).toBe(INVALID);
    }
  });
});
