import { DevFlowError } from "../core/errors.ts";
import { JSON_BOUNDS, readJson } from "../http/body.ts";
import type { AppContext } from "../http/context.ts";
import { innerApp } from "../http/inner.ts";
import { setHeaders } from "../http/middleware/answer-headers.ts";
import { allowsOrigin, exactOrigins } from "../http/origin.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { restOver } from "./rest.ts";

/** What a tool's own call says of its policy is said of the answer too. */
const LIMIT_FIELDS = ["ratelimit", "ratelimit-policy", "retry-after"];

/**
 * MCP by Streamable HTTP, stateless: a POST carries one message, and its answer is JSON.
 * @param routes asked for when the first message comes, as this route is one of them.
 */
export function mcpRoutes(routes: () => readonly Route[]): Route[] {
  let inner: ReturnType<typeof innerApp> | null = null;
  return [
    defineRoute({
      method: "post",
      path: "/mcp",
      summary: "Model Context Protocol (Streamable HTTP)",
      description:
        "Stateless: one JSON-RPC message a request, answered as JSON. Tools: `search_code`, `grep`, `find_symbol`, " +
        "`read_file`, `list_files`, `find_similar`, `ask`, `index_status`. Each tool call needs the scope of its REST " +
        "route and is charged to that route's rate-limit policy. A foreign `Origin` is refused with 403.",
      tag: "MCP",
      access: "workspace",
      limit: "inner",
      rawBody: { contentTypes: ["application/json"], description: "A JSON-RPC 2.0 message." },
      responses: {
        200: { description: "The answer to a request.", contentType: "application/json" },
        202: { description: "A notification was taken." },
      },
      async handle(c) {
        refuseForeignOrigin(c);
        inner ??= innerApp(routes());
        const message = await readJson(c.req.raw, JSON_BOUNDS);
        if (Array.isArray(message))
          throw new DevFlowError("invalid_request", "Send one message, not a list of them.");
        return answer(c, inner, message);
      },
    }),
  ];
}

async function answer(
  c: AppContext,
  inner: ReturnType<typeof innerApp>,
  message: unknown,
): Promise<Response> {
  const authorization = c.req.header("authorization") ?? "";
  const fields: Record<string, string> = {};
  const rest = restOver(new URL(c.req.url).origin, authorization, async (request) => {
    const response = await inner(c, request);
    for (const name of LIMIT_FIELDS) {
      const value = response.headers.get(name);
      if (value !== null) fields[name] = value;
    }
    return response;
  });
  // Loaded with the first message: other requests, and the start of the Worker, do without the SDK.
  const [{ createMcpServer }, { WebStandardStreamableHTTPServerTransport }] = await Promise.all([
    import("./server.ts"),
    import("@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js"),
  ]);
  const server = createMcpServer(rest);
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  transport.onerror = (error) => c.get("log").warning("an MCP message was refused", { reason: error.name });
  await server.connect(transport);
  const response = await transport.handleRequest(accepting(c.req.raw), { parsedBody: message });
  c.res = new Response(response.body, response);
  setHeaders(c, fields);
  return c.res;
}

/** The transport wants SSE accepted too, which it never sends here: a client that takes JSON is enough. */
function accepting(request: Request): Request {
  const accept = request.headers.get("accept") ?? "*/*";
  if (!/\*\/\*|application\/(\*|json)/.test(accept)) return request;
  const headers = new Headers(request.headers);
  headers.set("accept", "application/json, text/event-stream");
  return new Request(request.url, { method: request.method, headers });
}

/** A page of another site must not speak to a server through its visitor's browser (DNS rebinding). */
function refuseForeignOrigin(c: AppContext): void {
  const origin = c.req.header("origin");
  if (origin === undefined || allowsOrigin(c, exactOrigins(c.get("config").ALLOWED_ORIGINS), origin)) return;
  throw new DevFlowError("forbidden", "This origin may not use the MCP server.");
}
