import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Words in the texts that are embedded: each counts by itself, and those of other kinds change the answer. */
const MARKER = /counted(ok|refused|silent)[0-9a-z]{8}/g;

export interface CountingProxy {
  /** Base URL as clients of the API use it. */
  url: string;
  stop(): Promise<void>;
}

/**
 * Stands before the embedding server and counts the calls whose texts hold a marker: `GET /calls/<marker>` answers
 * the number. Texts with `countedrefused…` are answered 503, those with `countedsilent…` not at all.
 * @param target base URL of the server behind it.
 */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const calls = new Map<string, number>();
  const origin = new URL(target).origin;
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      console.error(error);
      response.destroy();
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    if (path.startsWith("/calls/")) {
      response.end(String(calls.get(path.slice("/calls/".length)) ?? 0));
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const found = new Map([...body.toString().matchAll(MARKER)].map((match) => [match[0], match[1]]));
    for (const marker of found.keys()) calls.set(marker, (calls.get(marker) ?? 0) + 1);
    const kinds = [...found.values()];
    if (kinds.includes("silent")) {
      request.socket.destroy();
      return;
    }
    if (kinds.includes("refused")) {
      response.writeHead(503, { "content-type": "application/json" }).end('{"error":{"message":"busy"}}');
      return;
    }
    const method = request.method ?? "GET";
    const upstream = await fetch(origin + path, {
      method,
      headers: { "content-type": request.headers["content-type"] ?? "application/json" },
      ...(method === "GET" ? {} : { body }),
    });
    const type = upstream.headers.get("content-type") ?? "application/json";
    response.writeHead(upstream.status, { "content-type": type });
    response.end(Buffer.from(await upstream.arrayBuffer()));
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${new URL(target).pathname}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
