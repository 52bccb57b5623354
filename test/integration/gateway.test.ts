import { describe, expect, it } from "vitest";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress, PRODUCTION, type TestApp } from "../support/app.ts";

const CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

function expectSecurityHeaders(response: Response) {
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-xss-protection": "1; mode=block",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": CSP,
    "x-request-id": expect.stringMatching(/^req_/),
    vary: expect.stringContaining("Origin"),
  });
  expect(response.headers.get("permissions-policy")).toContain("camera=()");
}

const broken = {
  RATE_LIMITER: { idFromName: String, get: () => ({ take: () => Promise.reject(new Error("down")) }) },
};
const noStore = {
  DB: {
    prepare: () => {
      throw new Error("D1 is away");
    },
  },
};

describe("headers of every answer", () => {
  const good = appWith({});
  const rootPost = (body: string, more = {}): RequestInit => ({
    method: "POST",
    headers: { authorization: `Bearer ${ROOT_KEY}`, "content-type": "application/json", ...more },
    body,
  });
  const cases: [string, number, () => Promise<Response>][] = [
    ["an answer", 200, () => good.fetch("/health")],
    ["HEAD", 200, () => good.fetch("/health", { method: "HEAD" })],
    ["a preflight", 204, () => good.fetch("/health", { method: "OPTIONS" })],
    ["a malformed body", 400, () => good.fetch("/v1/workspaces", rootPost("{"))],
    ["no credential", 401, () => good.fetch("/v1/auth/whoami")],
    ["an unknown address", 404, () => good.fetch("/nowhere")],
    ["a method that is not served", 405, () => good.fetch("/health", { method: "DELETE" })],
    ["a body over its limit", 413, () => good.fetch("/v1/workspaces", rootPost("x".repeat(1024 * 1024 + 1)))],
    [
      "another media type",
      415,
      () => good.fetch("/v1/workspaces", rootPost("x", { "content-type": "text/plain" })),
    ],
    ["a host that is not ours", 421, () => appWith({ PUBLIC_HOSTS: "api.example.com" }).fetch("/health")],
    [
      "too many requests",
      429,
      async () => {
        const app = appWith({ RATE_LIMIT_MULTIPLIER: "1", RATE_LIMITS: '{"ip":{"requests":1}}' });
        const init = { headers: { "cf-connecting-ip": freshAddress() } };
        await app.fetch("/health", init);
        return app.fetch("/health", init);
      },
    ],
    [
      "a failure on our side",
      500,
      () => appWith({}, noStore).fetch("/v1/checklist", { headers: { authorization: `Bearer ${ROOT_KEY}` } }),
    ],
    ["limiters that fail", 503, () => appWith({}, broken).fetch("/health")],
    ["a deployment without secrets", 503, () => appWith({ ENVIRONMENT: "production" }).fetch("/health")],
  ];

  it.each(cases)("stand on %s (%i)", async (_name, status, ask) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expectSecurityHeaders(response);
  });

  it("forbid storing what was answered to a credential", async () => {
    const { key } = await newWorkspace();
    expect((await call("GET", "/v1/auth/whoami", { key })).headers.get("cache-control")).toBe("no-store");
    expect((await call("GET", "/v1/auth/whoami")).headers.get("cache-control")).toBe("no-store");
  });
});

describe("CORS", () => {
  const app = appWith({ ALLOWED_ORIGINS: "https://app.example.com,http://localhost:5173" });
  const preflight = (origin: string, on: TestApp = app) =>
    on.fetch("/v1/auth/whoami", {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
      },
    });

  it.each(["https://app.example.com", "http://localhost:5173", "http://localhost"])(
    "lets %s in",
    async (origin) => {
      const response = await preflight(origin);
      expect(response.status).toBe(204);
      expect(response.headers.get("access-control-allow-origin")).toBe(origin);
      expect(response.headers.get("access-control-allow-credentials")).toBe("true");
      expect(response.headers.get("access-control-allow-methods")).toBe("GET, POST, PUT, PATCH, DELETE");
      const headers = response.headers.get("access-control-allow-headers") ?? "";
      for (const name of ["Authorization", "Idempotency-Key", "Sync-Id", "X-OpenAI-Key"])
        expect(headers).toContain(name);
      expect(headers).not.toContain("*");
    },
  );

  it.each([
    "null",
    "*",
    "https://app.example.com.evil.com",
    "https://evil-app.example.com",
    "https://evilapp.example.com",
    "https://app.example.com:8443",
    "http://app.example.com",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://example.com",
    "http://localhost:5174",
    "",
  ])("gives %j no CORS header, on preflight, answer and refusal", async (origin) => {
    const answers = [
      await preflight(origin),
      await app.fetch("/health", { headers: { origin } }),
      await app.fetch("/v1/auth/whoami", { headers: { origin } }),
    ];
    for (const answer of answers) {
      expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
      expect(answer.headers.get("vary")).toContain("Origin");
    }
  });

  it("exposes what clients need, on refusals too", async () => {
    const response = await app.fetch("/nowhere", { headers: { origin: "https://app.example.com" } });
    expect(response.headers.get("access-control-expose-headers")).toBe(
      "X-Request-Id, RateLimit, RateLimit-Policy, Retry-After, ETag, Location, Mcp-Session-Id",
    );
  });

  it("allows nobody where the settings are at fault", async () => {
    const response = await preflight("https://app.example.com", appWith({ ENVIRONMENT: "production" }));
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("HTTPS and hosts in production", () => {
  const app = appWith({ ...PRODUCTION, RATE_LIMIT_MULTIPLIER: "1000" });

  it.each(["GET", "HEAD"])("sends a %s without a credential on to https", async (method) => {
    const response = await app.fetch("http://api.example.com/health?a=b%20c", { method });
    expect(response.status).toBe(308);
    expect(response.headers.get("location")).toBe("https://api.example.com/health?a=b%20c");
    expectSecurityHeaders(response);
  });

  it("refuses anything else over http", async () => {
    const post = await app.fetch("http://api.example.com/v1/auth/token", { method: "POST" });
    expect(post.status).toBe(403);
    expect(await post.json()).toMatchObject({ code: "forbidden" });
  });

  it("refuses a credential over http, and records it", async () => {
    const ip = freshAddress();
    const response = await app.fetch("http://api.example.com/v1/auth/whoami", {
      headers: { authorization: "Bearer dvf_x", "cf-connecting-ip": ip },
    });
    expect(response.status).toBe(403);
    const listed = await call("GET", "/v1/security_events?type=insecure_transport", { key: ROOT_KEY });
    const { items } = await listed.json<{ items: { ip: string }[] }>();
    expect(items.map((event) => event.ip)).toContain(ip);
  });

  it.each([
    ["https://api.example.com/health", 200],
    ["https://API.example.com/health", 200],
    ["https://api.example.com:8443/health", 200],
    ["https://api.example.com.evil.com/health", 421],
    ["https://evil.com/health", 421],
    ["http://evil.com/health", 421],
    ["http://localhost/health", 421],
    ["https://127.0.0.1/health", 421],
  ])("answers %s with %i", async (url, status) => {
    expect((await app.fetch(url)).status).toBe(status);
  });
});
