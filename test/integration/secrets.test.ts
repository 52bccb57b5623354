import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SETTING_NAMES } from "../../src/config.ts";
import { call, newWorkspace } from "../support/api.ts";
import { appWith, PRODUCTION } from "../support/app.ts";
import { type KeyBody, newKey } from "../support/keys.ts";

/** Everything that the Worker prints, in one string. */
let printed: string[] = [];

beforeEach(() => {
  printed = [];
  for (const method of ["log", "info", "warn", "error", "debug"] as const) {
    vi.spyOn(console, method).mockImplementation((...parts: unknown[]) => {
      printed.push(parts.map(String).join(" "));
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** All rows of all tables, as text. */
async function dumpOfDatabase(): Promise<string> {
  const { results } = await env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{
    name: string;
  }>();
  const tables = results
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("sqlite_") && !name.startsWith("_cf_"));
  const rows = await Promise.all(tables.map((name) => env.DB.prepare(`SELECT * FROM "${name}"`).all()));
  return JSON.stringify(rows.map(({ results }) => results));
}

async function everythingOf(response: Response): Promise<string> {
  return JSON.stringify([...response.headers]) + (await response.text());
}

describe("a deployment with a missing or weak secret", () => {
  it.each([
    ["ROOT_API_KEY", ""],
    ["JWT_SECRET", ""],
    ["ROOT_API_KEY", "hunter2"],
    ["JWT_SECRET", "your-256-bit-secret"],
    ["JWT_SECRET", "development-jwt-secret-not-for-production-00"],
    ["JWT_SECRET_PREVIOUS", "canary-too-short"],
    ["JWT_SECRET", PRODUCTION.ROOT_API_KEY],
  ])("answers 503 to everything, naming %s and not its value (%j)", async (setting, value) => {
    for (const ENVIRONMENT of ["production", "staging"]) {
      const app = appWith({ ...PRODUCTION, ENVIRONMENT, [setting]: value });
      for (const path of ["/health", "/health/ready", "/v1/keys", "/openapi.json", "/nowhere"]) {
        const response = await app.fetch(`https://api.example.com${path}`);
        expect(response.status).toBe(503);
        const text = await everythingOf(response);
        expect(text).toContain('"code":"misconfigured"');
        expect(text).toMatch(/ROOT_API_KEY|JWT_SECRET/);
        if (value !== "") expect(text + printed.join("\n")).not.toContain(value);
      }
    }
  });

  it("serves where all is well", async () => {
    expect((await appWith(PRODUCTION).fetch("https://api.example.com/health")).status).toBe(200);
  });
});

/** A value that is nowhere else, in a form that the setting takes. */
const CANARIES: Record<string, string> = {
  ROOT_API_KEY: "rC4n4ryQ8xN1pR6tY0wB5sD9gH2jL4mC7aE_uFiOoKyX",
  JWT_SECRET: "jC4n4ry8xN1pR6tY0wB5sD9gH2jL4mC7aE_uFiOoKyXw",
  JWT_SECRET_PREVIOUS: "pC4n4ryxN1pR6tY0wB5sD9gH2jL4mC7aE_uFiOoKyXwz",
  CHROMA_API_KEY: "ck-C4n4ryChromaChromaChroma",
  OPENAI_API_KEY: "sk-C4n4ryOpenAiOpenAiOpenAi",
  OPENAI_CHAT_API_KEY: "sk-C4n4ryChatChatChatChatChat",
  ALERT_WEBHOOK_SECRET: "whsec_QzRuNHJ5QzRuNHJ5QzRuNHJ5QzRuNHJ5QzRuNHI=",
};

describe("secrets", () => {
  it("are in no body, header, log line or row, whatever is asked for", async () => {
    const settings = { ...PRODUCTION, ...CANARIES, LOG_LEVEL: "debug" };
    const app = appWith(settings);
    const seen: string[] = [];
    const ask = async (method: string, path: string, credential: string | null, body?: unknown) => {
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (credential !== null) headers["authorization"] = `Bearer ${credential}`;
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      const response = await app.quick(`https://api.example.com${path}`, init);
      const text = await response.clone().text();
      seen.push(JSON.stringify([...response.headers]), text);
      return { status: response.status, text };
    };
    const root = CANARIES["ROOT_API_KEY"] ?? "";
    const made = await ask("POST", "/v1/workspaces", root, { name: "canary" });
    expect(made.status).toBe(201);
    const { key } = JSON.parse(made.text) as { key: { key: string } };
    const token = JSON.parse((await ask("POST", "/v1/auth/token", key.key)).text) as { access_token: string };
    const document = JSON.parse((await ask("GET", "/openapi.json", null)).text) as {
      paths: Record<string, Record<string, unknown>>;
    };
    for (const [path, methods] of Object.entries(document.paths)) {
      const url = path.replaceAll(/\{\w+\}/g, "nothing");
      for (const method of Object.keys(methods)) {
        for (const credential of [
          null,
          root,
          key.key,
          token.access_token,
          `${root}x`,
          `${CANARIES["JWT_SECRET"]}`,
        ]) {
          await ask(method.toUpperCase(), url, credential, method === "get" ? undefined : { unknown: 1 });
        }
      }
    }
    // Events are gathered, then written behind the answer.
    await expect.poll(dumpOfDatabase).toContain("auth_failed");
    const dump = await dumpOfDatabase();
    expect(dump).toContain("canary");
    expect(printed.join("\n")).toContain('"message":"request"');
    for (const canary of Object.values(CANARIES)) {
      for (const where of [...seen, printed.join("\n"), dump]) expect(where).not.toContain(canary);
    }
    // One-time secrets: in the one answer that shows them, and nowhere else.
    for (const secret of [key.key, token.access_token]) {
      expect(seen.filter((text) => text.includes(secret))).toHaveLength(1);
      expect(printed.join("\n") + dump).not.toContain(secret);
    }
  });

  it("have a canary for each setting that is one", async () => {
    const secretNames = SETTING_NAMES.filter((name) => /(KEY|SECRET(_PREVIOUS)?)$/.test(name));
    expect(Object.keys(CANARIES).sort()).toEqual([...secretNames].sort());
  });

  it("of a key leave a digest and a prefix in the database", async () => {
    const { key } = await newWorkspace();
    const made: KeyBody & { key: string } = await newKey(key, { scopes: ["search"] });
    const dump = await dumpOfDatabase();
    expect(dump).toContain(made.prefix);
    expect(dump).not.toContain(made.key);
    expect(dump).not.toContain(made.key.slice(12));
    expect(dump).not.toMatch(/dvf_[0-9A-Za-z]{9,}/);
  });
});

describe("a request with an Idempotency-Key", () => {
  it("leaves neither the key nor the token that it made in the database", async () => {
    const { key } = await newWorkspace();
    const headers = { "idempotency-key": "once" };
    const body = { name: "x", scopes: ["search"] };
    const made = await (await call("POST", "/v1/keys", { key, body, headers })).json<KeyBody>();
    const again = await (await call("POST", "/v1/keys", { key, body, headers })).json<KeyBody>();
    expect(again).toEqual({ ...made, key: null });
    const token = await (await call("POST", "/v1/auth/token", { key, headers })).json<{
      access_token: string;
    }>();
    const replay = await (await call("POST", "/v1/auth/token", { key, headers })).text();
    expect(replay).not.toContain(token.access_token);
    const dump = await dumpOfDatabase();
    expect(dump).not.toContain(made.key);
    expect(dump).not.toContain(token.access_token);
  });
});
