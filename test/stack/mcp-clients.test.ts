import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../bench/client.ts";
import { readTree } from "../../eval/labelled-set.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { npmTool } from "../support/npm-tool.ts";

const PROJECT = resolve(import.meta.dirname, "../..");
const EXPECTED_FAILURES = join(import.meta.dirname, "mcp-conformance.yml");
/** Scenarios that a server without any of the suite's own fixtures has to pass. */
const PASSED = ["server-initialize", "ping", "tools-list", "resources-list", "dns-rebinding-protection"];
const SETTING_UP_MS = 600_000;

let folder: string;
let stack: Stack;
let inspector: ReturnType<typeof npmTool>;
let conformance: ReturnType<typeof npmTool>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-mcp-clients-"));
  inspector = npmTool("@modelcontextprotocol/inspector", "2.12.0", "mcp-inspector");
  conformance = npmTool("@modelcontextprotocol/conformance", "0.1.16", "conformance");
  if (inspector === null && conformance === null) return;
  const settings = { LOG_LEVEL: "warning" };
  stack = await startStack({ stateFolder: join(folder, "state"), port: 0, settings });
  const client = new Client(stack.url, stack.apiKey);
  const files = readTree(PROJECT, ["src/mcp/**/*.ts"]).map(({ path, text }) => ({
    path,
    bytes: new TextEncoder().encode(text),
  }));
  const job = await client.upload(files);
  await client.finished(job?.id ?? "");
}, SETTING_UP_MS);

afterAll(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The suite sends no credential: a door that adds one, and passes on all else as it came. */
async function withCredential(): Promise<{ server: Server; url: string }> {
  const server = createServer((incoming, answer) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${stack.apiKey}` };
    const passed = request(stack.url + incoming.url, { method: incoming.method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp` };
}

describe("the MCP Inspector's command line", () => {
  const inspect = async (...args: string[]) => {
    const given = ["--cli", `${stack.url}/mcp`, "--transport", "http", "--format", "json", ...args];
    const outcome = await inspector?.(given, folder);
    if (outcome === undefined) throw new Error("it is not installed");
    return outcome;
  };
  const inspectAs = async <T>(key: string, ...args: string[]): Promise<T> => {
    const outcome = await inspect("--header", `Authorization: Bearer ${key}`, ...args);
    expect([outcome.code, outcome.code === 0 ? "" : outcome.stderr]).toEqual([0, ""]);
    return (JSON.parse(outcome.stdout) as { result: T }).result;
  };

  it("lists the tools, and finds no error in their schemas", async ({ skip }) => {
    if (inspector === null) return skip("SKIPPED: the Inspector is not installed");
    // Exits with 6 where a schema is one that clients cannot use.
    const { tools } = await inspectAs<{ tools: { name: string }[] }>(
      stack.apiKey,
      "--method",
      "tools/list",
      "--strict",
    );
    expect(tools.map(({ name }) => name)).toContain("search_code");
  });

  it("calls tools, and reads a file as a resource", async ({ skip }) => {
    if (inspector === null) return skip("SKIPPED: the Inspector is not installed");
    const call = (name: string, input: object) =>
      inspectAs<{ content: { text: string }[]; structuredContent: Record<string, unknown> }>(
        stack.apiKey,
        ...["--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(input)],
      );
    const symbol = await call("find_symbol", { name: "createMcpServer", code: false });
    expect(symbol.content[0]?.text).toMatch(/^src\/mcp\/server\.ts:\d+-\d+ function createMcpServer/);
    const found = await call("search_code", { query: "refuse requests of a foreign origin", limit: 3 });
    expect(found.content[0]?.text).toContain("src/mcp/route.ts:");
    const { resources } = await inspectAs<{ resources: { uri: string }[] }>(
      stack.apiKey,
      "--method",
      "resources/list",
    );
    expect(resources.map(({ uri }) => uri)).toContain("devflow://files/src/mcp/server.ts");
    const { contents } = await inspectAs<{ contents: { text: string }[] }>(
      stack.apiKey,
      ...["--method", "resources/read", "--uri", "devflow://files/src/mcp/server.ts"],
    );
    expect(contents[0]?.text).toBe(readFileSync(join(PROJECT, "src/mcp/server.ts"), "utf8"));
  });

  it("is refused without a key", async ({ skip }) => {
    if (inspector === null) return skip("SKIPPED: the Inspector is not installed");
    const { code, stderr } = await inspect("--stored-auth-only", "--method", "tools/list");
    expect(code).not.toBe(0);
    expect(stderr).toContain("auth_required");
  });
});

describe("the specification's conformance suite", () => {
  it("passes, but for what it asks of a server of its own invention", async ({ skip }) => {
    if (conformance === null) return skip("SKIPPED: the conformance suite is not installed");
    const { server, url } = await withCredential();
    try {
      const { code, stdout, stderr } = await conformance(
        ["server", "--url", url, "--suite", "all", "--expected-failures", EXPECTED_FAILURES],
        folder,
      );
      const summary = stdout.slice(stdout.indexOf("=== SUMMARY"));
      console.log(summary);
      expect([code, code === 0 ? "" : summary + stderr]).toEqual([0, ""]);
      for (const name of PASSED) expect(summary).toMatch(new RegExp(`✓ ${name}: [1-9]\\d* passed, 0 failed`));
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
