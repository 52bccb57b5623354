import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";

const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A deployment that answers with these statuses, to whoever has the key. */
async function deployment(...statuses: string[]): Promise<string> {
  const items = statuses.map((status, i) => ({ id: `i${i}`, title: `Item ${i}`, status, detail: "Why." }));
  const server = createServer((request, response) => {
    const known = request.headers.authorization === "Bearer root" && request.url === "/v1/checklist";
    response.writeHead(known ? 200 : 401, { "content-type": "application/json" });
    response.end(JSON.stringify(known ? { items } : { detail: "The API key is not valid." }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function run(environment: Record<string, string>): Promise<{ code: number; out: string; err: string }> {
  // The Worker's own types ask for ENVIRONMENT in every process; the script does not read it.
  const env = {
    ENVIRONMENT: "development" as const,
    PATH: process.env["PATH"],
    DEVFLOW_STATE: "/nonexistent",
    ...environment,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, ["scripts/checklist.ts"], { env }, (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
    );
  });
}

describe("npm run checklist", () => {
  it("prints each item and exits 0 where none fails", async () => {
    const url = await deployment("pass", "warn", "unknown");
    const { code, out } = await run({ DEVFLOW_URL: url, ROOT_API_KEY: "root", NO_COLOR: "1" });
    expect(code).toBe(0);
    expect(out).toContain("✓ pass    Item 0\n          Why.");
    expect(out).toContain("1 pass, 1 warn, 0 fail, 1 unknown");
    expect(out).not.toContain("\u001b");
  });

  it("exits 1 where one fails, in colours where they are asked for", async () => {
    const url = await deployment("pass", "fail");
    const { code, out } = await run({ DEVFLOW_URL: url, ROOT_API_KEY: "root", FORCE_COLOR: "1" });
    expect(code).toBe(1);
    expect(out).toContain("\u001b[31m✗ fail");
  });

  it("exits 2 with a word where it cannot ask", async () => {
    const url = await deployment("pass");
    const refused = await run({ DEVFLOW_URL: url, ROOT_API_KEY: "other" });
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("401") });
    expect(refused.err).not.toContain("other");
    expect(await run({})).toMatchObject({ code: 2, err: expect.stringContaining("DEVFLOW_URL") });
  });
});
