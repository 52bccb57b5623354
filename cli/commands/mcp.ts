import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { Context, GlobalOptions } from "../context.ts";
import { CliError } from "../failure.ts";
import { readLogin } from "../settings.ts";

const CLIENTS = ["claude-code", "cursor", "vscode", "codex"] as const;
type ClientName = (typeof CLIENTS)[number];

export function registerMcp(program: Command, context: Context): void {
  program
    .command("mcp")
    .description(
      "connect an agent: print a client's configuration, or be its server on standard input and output",
    )
    .argument("[client]", CLIENTS.join(", "))
    .option("--stdio", "speak MCP on standard input and output, for clients without HTTP")
    .addHelpText(
      "after",
      `
The configuration holds your key: it is printed, not written anywhere.

Examples:
  devflow mcp claude-code
  claude mcp add devflow -- devflow mcp --stdio`,
    )
    .action(async (name: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { stdio?: boolean }>();
      const { url, key } = readLogin(options);
      if (options.stdio) return bridge(`${url}/mcp`, key, context.signal);
      if (name === undefined || !(CLIENTS as readonly string[]).includes(name)) {
        throw new CliError("Which client?", `One of ${CLIENTS.join(", ")}; or --stdio.`);
      }
      context.print(configurationOf(name as ClientName, `${url}/mcp`, key));
    });
}

function configurationOf(name: ClientName, url: string, key: string): string {
  const authorization = `Bearer ${key}`;
  const json = (value: unknown) => JSON.stringify(value, null, 2);
  switch (name) {
    case "claude-code":
      return `claude mcp add --transport http devflow ${url} --header "Authorization: ${authorization}"`;
    case "cursor":
      return json({ mcpServers: { devflow: { url, headers: { Authorization: authorization } } } });
    case "vscode":
      return json({ servers: { devflow: { type: "http", url, headers: { Authorization: authorization } } } });
    case "codex":
      return `[mcp_servers.devflow]\nurl = "${url}"\nhttp_headers = { Authorization = "${authorization}" }`;
  }
}

/** One line, one message, each way. The server is stateless, so messages may overtake each other. */
async function bridge(url: string, key: string, signal: AbortSignal): Promise<void> {
  const lines = createInterface({ input: process.stdin, signal });
  const open = new Set<Promise<void>>();
  for await (const line of lines) {
    if (line.trim() === "") continue;
    const done = forward(url, key, line, signal).finally(() => open.delete(done));
    open.add(done);
  }
  await Promise.all(open);
}

async function forward(url: string, key: string, line: string, signal: AbortSignal): Promise<void> {
  const id = idOf(line);
  const fail = (message: string) => {
    if (id !== undefined) write({ jsonrpc: "2.0", id, error: { code: -32603, message } });
  };
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: line,
      signal,
    });
    const text = await response.text();
    if (response.status === 202 || text === "") return;
    const body = JSON.parse(text) as { jsonrpc?: string; detail?: string };
    if (body.jsonrpc === "2.0") write(body);
    else fail(body.detail ?? `DevFlow answered ${response.status}.`);
  } catch (error) {
    fail(`DevFlow does not answer at ${url}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Undefined for a notification, which is not answered. */
function idOf(line: string): string | number | null | undefined {
  try {
    return (JSON.parse(line) as { id?: string | number }).id;
  } catch {
    return null;
  }
}

function write(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
