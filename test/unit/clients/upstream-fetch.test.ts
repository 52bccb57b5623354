import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { upstreamFetch } from "../../../src/clients/upstream-fetch.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A real server that gives the answers in turn, the last one for ever. */
async function upstream(...answers: Answer[]): Promise<{ url: string; bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    bodies.push(body);
    const answer = answers[Math.min(bodies.length, answers.length) - 1];
    answer?.(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
}

const answer =
  (status: number, headers: Record<string, string> = {}, body = "{}"): Answer =>
  (_request, response) =>
    response.writeHead(status, headers).end(body);

function patient(waits: number[] = [], timeoutMs = 2_000) {
  return upstreamFetch({
    timeoutMs,
    retry: { retries: 3, baseDelayMs: 100, maxDelayMs: 1000, maxRetryAfterMs: 20_000 },
    random: () => 0.5,
    sleep: async (ms) => void waits.push(ms),
  });
}

const POST = { method: "POST", body: "question", headers: { "content-type": "text/plain" } };

describe("upstreamFetch", () => {
  it("sends the same body again after 500 and 429, waiting as asked", async () => {
    const { url, bodies } = await upstream(
      answer(500),
      answer(429, { "retry-after": "2" }),
      answer(200, {}, "ok"),
    );
    const waits: number[] = [];
    const response = await patient(waits)(url, POST);
    expect(await response.text()).toBe("ok");
    expect(bodies).toEqual(["question", "question", "question"]);
    expect(waits).toEqual([50, 2100]);
  });

  it("gives the last answer once retries are spent, and a 400 at once", async () => {
    const down = await upstream(answer(503, {}, "down"));
    const response = await patient()(down.url, POST);
    expect([response.status, await response.text(), down.bodies.length]).toEqual([503, "down", 4]);
    const bad = await upstream(answer(400));
    expect((await patient()(bad.url, POST)).status).toBe(400);
    expect(bad.bodies).toHaveLength(1);
  });

  it("follows no redirect", async () => {
    const target = await upstream(answer(200, {}, "secret"));
    const { url } = await upstream(answer(302, { location: target.url }));
    const response = await patient()(url, POST);
    expect(response.status).toBe(302);
    expect(target.bodies).toHaveLength(0);
  });

  it("tries again where the connection breaks, also half-way through the body", async () => {
    const breaks: Answer = (_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setTimeout(() => response.destroy(), 10);
    };
    const { url, bodies } = await upstream(
      (_request, response) => response.destroy(),
      breaks,
      answer(200, {}, "whole"),
    );
    expect(await (await patient()(url, POST)).text()).toBe("whole");
    expect(bodies).toHaveLength(3);
  });

  it("tries again after a time-out, and rejects when every attempt timed out", async () => {
    const hangs: Answer = () => undefined;
    const { url } = await upstream(hangs, answer(200, {}, "late"));
    expect(await (await patient([], 150)(url, POST)).text()).toBe("late");
    const dead = await upstream(hangs);
    await expect(patient([], 50)(dead.url, POST)).rejects.toThrow(/timeout/i);
    expect(dead.bodies).toHaveLength(4);
  });

  it("stops as soon as the caller does", async () => {
    const { url, bodies } = await upstream(() => undefined);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await expect(patient()(url, { ...POST, signal: controller.signal })).rejects.toThrow("enough");
    expect(bodies).toHaveLength(1);
  });
});
