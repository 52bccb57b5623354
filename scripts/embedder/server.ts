import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { MODEL_NAME } from "./model.ts";
import { ApiError, parseEmbeddingRequest, renderEmbeddings, renderModels } from "./openai-wire.ts";
import type { EmbeddingPool } from "./pool.ts";

/** Room for 2,048 texts of 16 KB each. */
export const MAX_BODY_BYTES = 32 * 1024 * 1024;

type Handler = (request: IncomingMessage, signal: AbortSignal) => Promise<object>;

/**
 * OpenAI's embedding API over a local model: `POST /v1/embeddings`, `GET /v1/models`, `GET /health`. No
 * credential is asked for, so it belongs on the loopback interface alone.
 */
export function createEmbeddingServer(pool: Pick<EmbeddingPool, "embed">): Server {
  const routes: Record<string, Record<string, Handler>> = {
    "/v1/embeddings": {
      POST: async (request, signal) => {
        const { texts, encoding } = parseEmbeddingRequest(parseJson(await readBody(request)));
        return renderEmbeddings(await pool.embed(texts, signal), encoding);
      },
    },
    "/v1/models": { GET: async () => renderModels() },
    "/health": { GET: async () => ({ status: "ok", model: MODEL_NAME }) },
  };

  const answer = async (request: IncomingMessage, signal: AbortSignal): Promise<object> => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const methods = routes[path];
    if (methods === undefined) {
      throw new ApiError(404, `Unknown request URL: ${request.method} ${path}.`, { code: "unknown_url" });
    }
    const handler = methods[request.method ?? ""];
    if (handler === undefined) {
      throw new ApiError(405, `Not allowed: ${request.method} ${path}.`, { code: "method_not_supported" });
    }
    return handler(request, signal);
  };

  return createServer(async (request, response) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort(new Error("The client has gone")));
    try {
      send(response, 200, await answer(request, gone.signal));
    } catch (cause) {
      if (gone.signal.aborted) return;
      if (!(cause instanceof ApiError)) console.error(cause);
      const error = cause instanceof ApiError ? cause : new ApiError(500, "The embedding server failed.");
      // A body that was not read to its end must not be taken for the next request.
      if (!request.complete) response.setHeader("Connection", "close");
      send(response, error.status, error);
    }
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = Number(request.headers["content-length"] ?? 0);
  if (bytes <= MAX_BODY_BYTES) {
    bytes = 0;
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) break;
      chunks.push(chunk);
    }
  }
  if (bytes > MAX_BODY_BYTES) {
    throw new ApiError(413, `The body is larger than ${MAX_BODY_BYTES} bytes.`, {
      code: "request_too_large",
    });
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, "The body of the request could not be parsed as JSON.");
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const json = JSON.stringify(body);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(json),
  });
  response.end(json);
}
