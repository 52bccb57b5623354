import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { adviceOn } from "./advice.ts";
import { type Rest, RestProblem } from "./rest.ts";

const PREFIX = "devflow://files/";
const PAGE = 100;
/** JSON-RPC codes that the MCP specification gives: a resource that is not there, and a refusal for other reasons. */
const RESOURCE_NOT_FOUND = -32002;
const INTERNAL = -32603;

interface FilesPage {
  items: { path: string; size: number; language: string }[];
  next_cursor: string | null;
}

/** Every stored file is a resource, `devflow://files/<path>`, each segment percent-encoded. */
export function serveResources(server: Server, rest: Rest): void {
  server.registerCapabilities({ resources: {} });
  server.setRequestHandler(ListResourcesRequestSchema, ({ params }) =>
    refusing(async () => {
      const query = { limit: PAGE, cursor: params?.cursor };
      const { items, next_cursor: next } = await rest.json<FilesPage>("GET", "/v1/files", { query });
      return {
        resources: items.map(({ path, size }) => ({
          uri: uriOf(path),
          name: path,
          size,
          mimeType: "text/plain",
        })),
        ...(next === null ? {} : { nextCursor: next }),
      };
    }),
  );
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [
      {
        uriTemplate: `${PREFIX}{+path}`,
        name: "file",
        title: "A file of the workspace",
        description: "The text of a stored file. Encode each segment of its path.",
        mimeType: "text/plain",
      },
    ],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) =>
    refusing(async () => {
      const text = await rest.text("GET", "/v1/files/content", { query: { path: pathOf(uri) } });
      return { contents: [{ uri, mimeType: "text/plain", text }] };
    }),
  );
}

export function uriOf(path: string): string {
  return PREFIX + path.split("/").map(encodeURIComponent).join("/");
}

/** Taken literally: a URL parser would fold `..` before anybody could refuse it. */
export function pathOf(uri: string): string {
  if (!uri.startsWith(PREFIX)) throw noSuchResource(uri);
  try {
    return decodeURIComponent(uri.slice(PREFIX.length));
  } catch {
    throw noSuchResource(uri);
  }
}

function noSuchResource(uri: string): McpError {
  return new McpError(RESOURCE_NOT_FOUND, `Resources are named ${PREFIX}<path>.`, { uri });
}

async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RestProblem)) throw error;
    const { code } = error.problem;
    throw new McpError(code === "not_found" ? RESOURCE_NOT_FOUND : INTERNAL, adviceOn(error.problem), {
      code,
    });
  }
}
