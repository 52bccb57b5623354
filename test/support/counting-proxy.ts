import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { MODEL_NAME } from "../../scripts/embedder/model.ts";

/** Words in the texts that are embedded: each counts by itself, and those of other kinds change the answer. */
const MARKER = /counted(ok|refused|silent)[0-9a-z]{8}/g;

/**
 * Another model, as far as collections can tell: the same one with the numbers of its vectors in reverse. Cosines within
 * it are the same, and cosines with the other's mean nothing, so that a search which mixes them up does not find.
 */
const REVERSED_MODEL = `${MODEL_NAME}-reversed`;

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
    const reversed = body.includes(`"${REVERSED_MODEL}"`);
    const upstream = await fetch(origin + path, {
      method,
      headers: { "content-type": request.headers["content-type"] ?? "application/json" },
      ...(method === "GET"
        ? {}
        : { body: reversed ? body.toString().replace(`"${REVERSED_MODEL}"`, `"${MODEL_NAME}"`) : body }),
    });
    const type = upstream.headers.get("content-type") ?? "application/json";
    response.writeHead(upstream.status, { "content-type": type });
    response.end(
      reversed ? withReversedVectors(await upstream.text()) : Buffer.from(await upstream.arrayBuffer()),
    );
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

function withReversedVectors(text: string): string {
  const answer = JSON.parse(text) as { data?: { embedding: string | number[] }[] };
  for (const item of answer.data ?? []) {
    if (typeof item.embedding !== "string") item.embedding.reverse();
    else {
      const bytes = new Uint8Array(Buffer.from(item.embedding, "base64"));
      const turned = new Float32Array(bytes.buffer).reverse();
      item.embedding = Buffer.from(turned.buffer).toString("base64");
    }
  }
  return JSON.stringify(answer);
}
