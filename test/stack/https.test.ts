import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killAll, processesOf, RunningStart } from "./running.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "devflow-https-"));
});
afterAll(async () => {
  killAll(processesOf(folder, 0));
  await rm(folder, { recursive: true, force: true });
});

/** The certificate signs itself: it is looked at rather than believed. */
function get(url: string, key: string): Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    const options = { rejectUnauthorized: false, headers: { authorization: `Bearer ${key}` } };
    request(url, options, (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    })
      .on("error", reject)
      .end();
  });
}

describe("npm start -- --https", () => {
  it("serves TLS with a local certificate, and no plain HTTP beside it", async () => {
    const stack = new RunningStart(folder, {}, ["--no-index", "--https"]);
    await stack.says(/DevFlow is ready/);
    const { url, api_key } = JSON.parse(readFileSync(join(folder, "local.json"), "utf8"));
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:/);
    const { status, headers } = await get(`${url}/v1/auth/whoami`, api_key);
    expect(status).toBe(200);
    expect(headers["strict-transport-security"]).toBe("max-age=31536000; includeSubDomains");
    await expect(fetch(url.replace("https:", "http:"))).rejects.toThrow();
    stack.kill("SIGINT");
    expect(await stack.ended()).toBe(0);
  });
});
