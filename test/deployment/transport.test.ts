import { describe, expect, it } from "vitest";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress, PRODUCTION } from "../support/app.ts";

const app = appWith({ ...PRODUCTION, RATE_LIMIT_MULTIPLIER: "1000" });

async function typesFrom(ip: string): Promise<string[]> {
  const listed = await call("GET", "/v1/security_events?limit=100", { key: ROOT_KEY });
  const { items } = await listed.json<{ items: { ip: string; type: string }[] }>();
  return items.filter((event) => event.ip === ip).map(({ type }) => type);
}

describe("plain HTTP in production", () => {
  const credentials = [
    ["authorization", "Bearer dvf_x"],
    ["authorization", "Basic eDp5"],
    ["x-openai-key", "sk-x"],
  ] as const;
  const cases = ["GET", "HEAD", "POST"].flatMap((method) =>
    credentials.map(([name, value]) => [method, name, value] as const),
  );

  it.each(cases)(
    "refuses a %s with the credential %s: %s, sends it nowhere, and records it",
    async (...sent) => {
      const [method, name, value] = sent;
      const ip = freshAddress();
      const response = await app.fetch("http://api.example.com/health", {
        method,
        headers: { [name]: value, "cf-connecting-ip": ip },
      });
      expect(response.status).toBe(403);
      expect(response.headers.get("location")).toBeNull();
      if (method !== "HEAD") expect(await response.json()).toMatchObject({ code: "forbidden" });
      expect(await typesFrom(ip)).toEqual(["insecure_transport"]);
    },
  );

  it.each(["GET", "HEAD"])("sends a %s without a credential on, which is no event", async (method) => {
    const ip = freshAddress();
    const init = { method, headers: { "cf-connecting-ip": ip } };
    const response = await app.fetch("http://api.example.com/v1/auth/whoami", init);
    expect(response.status).toBe(308);
    expect(response.headers.get("location")).toBe("https://api.example.com/v1/auth/whoami");
    expect(await typesFrom(ip)).toEqual([]);
  });

  it("is served on loopback in development alone", async () => {
    const development = appWith({});
    for (const host of ["localhost", "127.0.0.1", "[::1]", "app.localhost"]) {
      expect((await development.fetch(`http://${host}/health`)).status).toBe(200);
    }
    expect((await development.fetch("http://192.168.0.9/health")).status).toBe(308);
    const deployed = appWith({ ...PRODUCTION, PUBLIC_HOSTS: "localhost" });
    expect((await deployed.fetch("http://localhost/health")).status).toBe(308);
  });
});

describe("a method that is not served", () => {
  it.each([
    ["DELETE", "/health", "GET, HEAD, OPTIONS"],
    ["GET", "/v1/search", "POST, OPTIONS"],
    ["PATCH", "/v1/files", "PUT, POST, GET, HEAD, OPTIONS"],
  ])("%s %s is 405 and names those that are: %s", async (method, path, allow) => {
    const response = await call(method, path);
    expect(response.status).toBe(405);
    const names = (text: string | null) => (text ?? "").split(", ").sort();
    expect(names(response.headers.get("allow"))).toEqual(names(allow));
  });
});

describe("a preflight", () => {
  it("allows the headers of the contract, each by its name", async () => {
    const response = await app.fetch("https://api.example.com/v1/search", {
      method: "OPTIONS",
      headers: { origin: "https://api.example.com", "access-control-request-method": "POST" },
    });
    expect(response.headers.get("access-control-allow-headers")?.split(", ").sort()).toEqual(
      [
        ...["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Sync-Id"],
        ...["Last-Event-ID", "Content-Digest", "X-OpenAI-Key"],
        ...["Mcp-Session-Id", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name"],
      ].sort(),
    );
  });
});

describe("a route's limit", () => {
  it("counts every spelling of its address together, and HEAD with GET", async () => {
    const limited = appWith({ RATE_LIMIT_MULTIPLIER: "1", RATE_LIMITS: '{"poll":{"requests":5}}' });
    const { key } = await newWorkspace();
    const ask = async (path: string, method = "GET") => {
      const headers = { authorization: `Bearer ${key}`, "cf-connecting-ip": freshAddress() };
      return (await limited.quick(path, { method, headers })).status;
    };
    const spellings = ["/v1/auth/whoami", "/v1/auth/%77hoami", "/v1/auth/whoami?x=1", "/v1/./auth/whoami"];
    const statuses = [await ask("/v1/auth/whoami", "HEAD")];
    for (const path of spellings) statuses.push(await ask(path));
    expect(statuses).toEqual([200, 200, 200, 400, 200]);
    for (const path of spellings) expect(await ask(path)).toBe(429);
    // Other cases and slashes are other addresses: nothing is served there.
    expect([await ask("/v1/auth/WHOAMI"), await ask("/v1/auth/whoami/")]).toEqual([404, 404]);
  });
});
