import { exports } from "cloudflare:workers";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CfWorkerJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/cfworker";

export interface ToolResult {
  text: string;
  structured: Record<string, unknown>;
  isError: boolean;
}

/** The official SDK's client, speaking to the Worker under test. */
export async function mcpClient(key: string, headers: Record<string, string> = {}): Promise<Client> {
  const worker = (exports as unknown as { default: { fetch(request: Request): Promise<Response> } }).default;
  const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
    fetch: (url, init) => worker.fetch(new Request(url, init as RequestInit)),
    requestInit: { headers: { authorization: `Bearer ${key}`, ...headers } },
  });
  const client = new Client(
    { name: "test", version: "1" },
    // The SDK's default compiles code at run time, which workerd forbids.
    { jsonSchemaValidator: new CfWorkerJsonSchemaValidator() },
  );
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  return client;
}

export async function useTool(
  client: Client,
  name: string,
  input: Record<string, unknown> = {},
): Promise<ToolResult> {
  const result = await client.callTool({ name, arguments: input });
  const [content] = result.content as { type: string; text: string }[];
  return {
    text: content?.text ?? "",
    structured: (result.structuredContent ?? {}) as Record<string, unknown>,
    isError: result.isError === true,
  };
}
