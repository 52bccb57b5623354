import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { strongSecret, webhookSecret } from "../../scripts/secrets/strong.ts";
import { DEVELOPMENT_SECRETS, parseConfig, SETTING_NAMES } from "../../src/config.ts";
import { weakness } from "../../src/core/weak-secret.ts";

const production = () => ({
  ENVIRONMENT: "production",
  ROOT_API_KEY: strongSecret(),
  JWT_SECRET: strongSecret(),
  CHROMA_API_KEY: "ck-1",
  OPENAI_API_KEY: "sk-1",
  PUBLIC_HOSTS: "api.example.com",
});

/** `SETTING reason` of each problem. */
function problems(env: Record<string, unknown>): string[] {
  const result = parseConfig(env);
  return result.ok ? [] : result.problems.map(({ setting, reason }) => `${setting} ${reason}`);
}

describe("weakness", () => {
  it.each([
    ["", "is missing"],
    ["short", "shorter"],
    [DEVELOPMENT_SECRETS.JWT_SECRET, "development default"],
    ["your-256-bit-secret", "well known"],
    ["Your-Secret-Key-Your-Secret-Key-Your-Secret-Key", "well known"],
    ["change-me-please-change-me-please-change-me-XY1", "well known"],
    ["supersecretsupersecretsupersecretsupersecret", "well known"],
    ["AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", "well known"],
    ["deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef", "well known"],
    ["02468ace13579bdf02468ace13579bdf02468ace13579bdf02468ace13579bdf", "not random"],
    ["a".repeat(64), "not random"],
    ["Xk3vQ8xN1pR6tY0wB5sD9Xk3vQ8xN1pR6tY0wB5sD9", "shorter"],
    ["Xk3vQ8xN1pR6tY0wB5sD9gXk3vQ8xN1pR6tY0wB5sD9g", "not random"],
    ["correcthorsebatterystaplecorrecthorsebatteryst", "not random"],
    ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr", "well known"],
    ["ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjih", "not random"],
    [btoa("correct horse battery staple, twice!").replaceAll("=", ""), "not random"],
    ["f".repeat(31), "shorter"],
    ["Zk3vQ8xN1pR6tY0wB5sD9gH2jL4mC7aE_uFiOoKyXh V", "shorter"],
    ["Zk3vQ8xN1pR6tY0wB5sD9gH2jL4mC7aE_uFiOoKyXhé", "shorter"],
  ])("refuses %j", (value, reason) => {
    expect(weakness(value)).toContain(reason);
  });

  it("takes 32 random bytes and more, in base64url or hexadecimal", () => {
    for (let i = 0; i < 200; i++) {
      const bytes = crypto.getRandomValues(Buffer.alloc(32 + (i % 32)));
      for (const text of [bytes.toString("hex"), bytes.toString("base64url")]) {
        const found = weakness(text);
        // A word of three letters and more turns up by chance now and then; nothing else does.
        if (found !== "is well known") expect(found).toBeNull();
      }
    }
    expect(weakness(strongSecret())).toBeNull();
  });

  it("never says any of the value", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8 }), (value) => {
        expect(weakness(value) ?? "").not.toContain(value);
      }),
    );
  });
});

describe("parseConfig", () => {
  it("takes good settings", () => {
    expect(problems(production())).toEqual([]);
    expect(problems({ ...production(), ENVIRONMENT: "staging" })).toEqual([]);
    expect(problems({ ENVIRONMENT: "development" })).toEqual([]);
  });

  it.each(["production", "staging"])("refuses what is missing, weak or a default in %s", (ENVIRONMENT) => {
    const good = { ...production(), ENVIRONMENT };
    expect(problems({ ...good, ROOT_API_KEY: undefined, JWT_SECRET: "" })).toEqual([
      "ROOT_API_KEY is missing",
      "JWT_SECRET is missing",
    ]);
    expect(problems({ ...good, ...DEVELOPMENT_SECRETS })).toEqual([
      "ROOT_API_KEY is a development default",
      "JWT_SECRET is a development default",
    ]);
    expect(problems({ ...good, JWT_SECRET: "short" })[0]).toMatch(/^JWT_SECRET is shorter/);
    expect(problems({ ...good, JWT_SECRET_PREVIOUS: "short" })[0]).toMatch(/^JWT_SECRET_PREVIOUS is shorter/);
    expect(problems({ ...good, DEBUG: "true" })).toEqual(["DEBUG is for development only"]);
    expect(problems({ ...good, PUBLIC_HOSTS: "" })).toEqual(["PUBLIC_HOSTS is missing"]);
  });

  it("refuses one secret in two settings, whichever they are", () => {
    const good = production();
    const same = good.JWT_SECRET;
    // Between the two steps of a rotation, both are the same; a deployment must not stop there.
    expect(problems({ ...good, JWT_SECRET_PREVIOUS: same })).toEqual([]);
    expect(problems({ ...good, JWT_SECRET_PREVIOUS: good.ROOT_API_KEY })[0]).toContain("equals");
    expect(problems({ ...good, ROOT_API_KEY: same })[0]).toMatch(/equals (JWT_SECRET|ROOT_API_KEY)$/);
    expect(problems({ ...good, OPENAI_API_KEY: same })[0]).toContain("equals");
    expect(problems({ ...good, ALERT_WEBHOOK_SECRET: webhookSecret() })).toEqual([]);
  });

  it.each([
    ["not JSON", "{"],
    ["an object", "{}"],
    ["plain http", issuers({ jwks_url: "http://id.example.com/jwks" })],
    ["an address", issuers({ jwks_url: "https://10.0.0.1/jwks" })],
    ["an address in another spelling", issuers({ jwks_url: "https://0x7f.1/jwks" })],
    ["a private name", issuers({ jwks_url: "https://id.internal/jwks" })],
    ["a name without dots", issuers({ jwks_url: "https://localhost/jwks" })],
    ["credentials in the address", issuers({ jwks_url: "https://a:b@id.example.com/jwks" })],
    ["admin for a scope", issuers({ scopes: { all: ["admin"] } })],
    ["a symmetric algorithm", issuers({ algorithms: ["HS256"] })],
    ["no algorithm at all", issuers({ algorithms: ["none"] })],
    ["every workspace", issuers({ workspaces: [] })],
    ["an unknown member", issuers({ insecure: true })],
  ])("refuses other issuers with %s", (_, JWT_ISSUERS) => {
    expect(problems({ ENVIRONMENT: "development", JWT_ISSUERS })[0]).toMatch(/^JWT_ISSUERS /);
  });

  it("takes a good issuer, once", () => {
    expect(problems({ ENVIRONMENT: "development", JWT_ISSUERS: issuers({}) })).toEqual([]);
    const [one] = JSON.parse(issuers({}));
    expect(problems({ ENVIRONMENT: "development", JWT_ISSUERS: JSON.stringify([one, one]) })).toHaveLength(1);
  });

  it("names no value of what it refuses", () => {
    const canary = "canary-4f1c";
    for (const name of SETTING_NAMES) {
      const result = parseConfig({ ...production(), [name]: canary });
      if (!result.ok) expect(JSON.stringify(result.problems)).not.toContain(canary);
    }
  });
});

function issuers(change: Record<string, unknown>): string {
  const good = {
    issuer: "https://id.example.com/",
    audience: "devflow",
    jwks_url: "https://id.example.com/jwks",
    workspace_claim: "ws",
    workspaces: ["ws_db4kftaz0y3r3j9dppyjxmmxj"],
    scopes: { read: ["search"] },
  };
  return JSON.stringify([{ ...good, ...change }]);
}

describe(".dev.vars.example", () => {
  it("documents each setting, and no other", () => {
    const page = readFileSync(resolve(import.meta.dirname, "../../.dev.vars.example"), "utf8");
    const named = [...page.matchAll(/^# ([A-Z_]+)=/gm)].map((match) => match[1]);
    expect(named.sort()).toEqual([...SETTING_NAMES].sort());
  });
});
