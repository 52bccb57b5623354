import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { newWorkspace, ROOT_KEY } from "../support/api.ts";
import { appWith, freshAddress } from "../support/app.ts";

const limited = (limits: object, more: Record<string, string> = {}) =>
  appWith({ RATE_LIMIT_MULTIPLIER: "1", RATE_LIMITS: JSON.stringify(limits), ...more });
const from = (ip: string, key?: string, more: Record<string, string> = {}): RequestInit => ({
  headers: { "cf-connecting-ip": ip, ...(key ? { authorization: `Bearer ${key}` } : {}), ...more },
});
const whoami = "/v1/auth/whoami";

describe("the limit of an address", () => {
  it("admits exactly the quota of 500 requests at once, whatever their address in the API", async () => {
    const app = limited({ ip: { requests: 120 } });
    const ip = freshAddress();
    const paths = ["/health", "/%68ealth", "/health?x=1", "/HEALTH", "/health/", "/v1/nowhere"];
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        app.quick(paths[i % paths.length] ?? "/", { ...from(ip), method: i % 7 === 0 ? "HEAD" : "GET" }),
      ),
    );
    expect(answers.filter((answer) => answer.status !== 429)).toHaveLength(120);
  });

  it("answers 429 problem+json with Retry-After and the fields of the policy", async () => {
    const app = limited({ ip: { requests: 2, window_seconds: 60 } });
    const ip = freshAddress();
    const first = await app.quick("/health", from(ip));
    expect(first.headers.get("ratelimit-policy")).toBe('"ip";q=2;w=60');
    expect(first.headers.get("ratelimit")).toBe('"ip";r=1;t=60');
    await app.quick("/health", from(ip));
    const third = await app.quick("/health", from(ip));
    expect(third.status).toBe(429);
    expect(third.headers.get("content-type")).toBe("application/problem+json");
    expect(third.headers.get("ratelimit")).toMatch(/^"ip";r=0;t=(59|60)$/);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThanOrEqual(59);
    expect(await third.json()).toMatchObject({ code: "rate_limited", policy: "ip", retryable: true });
  });

  it("counts IPv6 by /64, IPv4-mapped as IPv4, and believes no other header", async () => {
    const app = limited({ ip: { requests: 1 } });
    const status = async (ip: string, more = {}) =>
      (await app.quick("/health", from(ip, undefined, more))).status;
    expect(await status("2001:db8:77:1::1")).toBe(200);
    expect(await status("2001:db8:77:1:ffff::2")).toBe(429);
    expect(await status("2001:db8:77:2::1")).toBe(200);
    const ip = freshAddress();
    expect(await status(ip)).toBe(200);
    expect(await status(`::ffff:${ip}`)).toBe(429);
    expect(await status(ip, { "x-forwarded-for": "203.0.113.99", "x-real-ip": "203.0.113.98" })).toBe(429);
  });

  it("refuses before the credential is looked at, and before 404", async () => {
    const app = limited({ ip: { requests: 1 } });
    const ip = freshAddress();
    await app.quick("/health", from(ip));
    expect((await app.quick("/nowhere", from(ip))).status).toBe(429);
    expect((await app.quick(whoami, from(ip, "dvf_wrong"))).status).toBe(429);
  });
});

describe("failed credentials", () => {
  it("get exactly the quota of 401s, then 429 before anything is looked up; others are not touched", async () => {
    const app = limited({ auth_failed: { requests: 5, window_seconds: 300 } });
    const { key } = await newWorkspace();
    const ip = freshAddress();
    const tries = await Promise.all(
      Array.from({ length: 40 }, () => app.quick(whoami, from(ip, "dvf_wrong"))),
    );
    expect(tries.filter((answer) => answer.status === 401)).toHaveLength(5);
    expect(tries.filter((answer) => answer.status === 429)).toHaveLength(35);
    const refused = await app.quick(whoami, from(ip, key));
    expect(refused.status).toBe(429);
    expect(refused.headers.get("ratelimit-policy")).toBe('"auth_failed";q=5;w=300');
    expect(refused.headers.get("www-authenticate")).toBeNull();
    expect((await app.quick("/health", from(ip, key))).status).toBe(200);
    expect((await app.quick("/v1/nowhere", from(ip, key))).status).toBe(404);
    expect((await app.quick(whoami, from(freshAddress(), key))).status).toBe(200);
  });

  it("are not charged for a request without a credential or with a good one", async () => {
    const app = limited({ auth_failed: { requests: 1, window_seconds: 300 } });
    const { key } = await newWorkspace();
    const ip = freshAddress();
    for (let i = 0; i < 3; i++) {
      expect((await app.quick(whoami, from(ip))).status).toBe(401);
      expect((await app.quick(whoami, from(ip, key))).status).toBe(200);
    }
  });
});

describe("the limit of a key", () => {
  it("admits exactly the quota of 500 at once, from any address, and says what is left", async () => {
    const app = limited({ poll: { requests: 50 }, ip: { requests: 100_000 } });
    const { key } = await newWorkspace();
    const first = await app.quick(whoami, from(freshAddress(), key));
    expect(first.headers.get("ratelimit-policy")).toBe('"poll";q=50;w=3600');
    expect(first.headers.get("ratelimit")).toBe('"poll";r=49;t=3600');
    const addresses = Array.from({ length: 5 }, freshAddress);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => app.quick(`${whoami}?`, from(addresses[i % 5] ?? "", key))),
    );
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(49);
    expect(answers.filter((answer) => answer.status === 429)).toHaveLength(451);
  });

  it("does not charge what is refused before it: 401, 403, 404, 405", async () => {
    const app = limited({ default: { requests: 1 } });
    const { key } = await newWorkspace();
    const ip = freshAddress();
    const post = { ...from(ip, key), method: "POST" };
    expect((await app.quick("/v1/workspaces", post)).status).toBe(403);
    expect((await app.quick("/v1/workspaces/x/y/z", post)).status).toBe(404);
    expect((await app.quick("/health", { ...from(ip, key), method: "DELETE" })).status).toBe(405);
  });

  it("charges what is answered 400", async () => {
    const app = limited({ default: { requests: 1 } });
    const { key } = await newWorkspace();
    const ask = () => app.quick("/v1/security_events?limit=0", from(freshAddress(), key));
    expect([(await ask()).status, (await ask()).status]).toEqual([400, 429]);
  });
});

describe("the object of a subject", () => {
  const stub = (name: string) => env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName(name));
  const charge = { policy: "default" as const, requests: 10, windowSeconds: 60, cost: 1 };

  it("counts all charges of a call or none", async () => {
    const limiter = stub("key:all-or-none");
    const full = { ...charge, policy: "search" as const, requests: 1 };
    await limiter.take([full]);
    const answer = await limiter.take([charge, full]);
    expect(answer.allowed).toBe(false);
    expect((await limiter.take([{ ...charge, cost: 0 }])).decisions[0]?.remaining).toBe(10);
  });

  it("keeps its counts when it is evicted", async () => {
    const limiter = stub("key:evicted");
    for (let i = 0; i < 4; i++) await limiter.take([charge]);
    await limiter.revoke("key_x");
    await expect(
      runInDurableObject(limiter, (_instance, state) => state.abort("evicted by the test")),
    ).rejects.toThrow();
    const again = await stub("key:evicted").take([{ ...charge, cost: 0 }]);
    expect(again.decisions[0]?.remaining).toBe(6);
    expect(again).toMatchObject({ revoked: ["key_x"], epoch: expect.any(Number) });
    expect(again.epoch).toBeGreaterThan(0);
  });

  it("erases itself once it is idle", async () => {
    const limiter = stub("key:idle");
    await limiter.take([{ ...charge, windowSeconds: 1, requests: 1 }]);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await runDurableObjectAlarm(limiter);
    const left = await runInDurableObject(
      limiter,
      async (_instance, state) => (await state.storage.list()).size,
    );
    expect(left).toBe(0);
    expect((await limiter.take([{ ...charge, windowSeconds: 1, requests: 1 }])).allowed).toBe(true);
  });
});

describe("limiters that fail", () => {
  const broken = {
    RATE_LIMITER: {
      idFromName: (name: string) => name,
      get: () => ({ take: () => Promise.reject(new Error("down")) }),
    },
  };

  it("hold back everything but search and poll, with 503 and Retry-After", async () => {
    const app = appWith({ RATE_LIMIT_MULTIPLIER: "1" }, broken);
    const answer = await app.quick("/v1/workspaces", { ...from(freshAddress(), ROOT_KEY), method: "POST" });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("5");
    expect(await answer.json()).toMatchObject({ code: "upstream_unavailable" });
  });

  it("let a tenth of the quota of poll through", async () => {
    const { key } = await newWorkspace();
    const app = appWith({ RATE_LIMIT_MULTIPLIER: "1", RATE_LIMITS: '{"poll":{"requests":30}}' }, broken);
    const statuses: number[] = [];
    const ip = freshAddress();
    for (let i = 0; i < 5; i++) statuses.push((await app.quick(whoami, from(ip, key))).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });
});

describe("requests counted ahead", () => {
  const charge = { policy: "ip" as const, requests: 2000, windowSeconds: 3600, cost: 1 };
  const failures = { policy: "auth_failed" as const, requests: 20, windowSeconds: 300, cost: 0 };
  const watch = { name: "requests", threshold: 100, windowSeconds: 3600 };
  const limiter = () => env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName(`ip:${freshAddress()}`));

  it("are counted before they are admitted, and uncounted when they are handed back", async () => {
    const object = limiter();
    const first = await object.take([charge, failures], [watch], { want: 10, unused: 0 });
    expect(first.advanced).toBe(10);
    const second = await object.take([charge, failures], [watch], { want: 0, unused: 4 });
    expect(second.decisions[0]?.remaining).toBe(2000 - 1 - 10 - 1 + 4);
  });

  it("are refused near the end of the quota, near a watch, and after a failed credential", async () => {
    const object = limiter();
    const small = { ...charge, requests: 1000 };
    expect((await object.take([small], [], { want: 1, unused: 0 })).advanced).toBe(0);
    await object.take([charge], [watch], { want: 0, unused: 0 });
    expect((await object.take([charge], [watch], { want: 99, unused: 0 })).advanced).toBe(0);
    expect((await object.take([charge], [watch], { want: 32, unused: 0 })).advanced).toBe(32);
    await object.take([{ ...failures, cost: 1 }]);
    expect((await object.take([charge, failures], [watch], { want: 10, unused: 0 })).advanced).toBe(0);
  });
});
