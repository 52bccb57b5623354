import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * How an upstream fails. `down`: the connection is closed at once. `error`: 500. `limited`: 429 with `Retry-After: 1`.
 * `hang`: no answer. `cut`: it does the work, and the connection breaks in the middle of the answer. `half`: it does
 * the first half of a write, and answers 500.
 */
export type Fault = "down" | "error" | "limited" | "hang" | "cut" | "half";

export interface FaultProxy {
  url: string;
  /** A mark → the fault that requests meet whose path or body holds it; the first that fits. */
  faults: Map<string, Fault>;
  /** Requests that met a fault, by its mark. */
  met: Map<string, number>;
  /** Requests by the last part of their path. */
  requests: Map<string, number>;
  stop(): void;
}

/** Stands before an upstream, and fails as it is told to. @param target its origin. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const proxy: FaultProxy = {
    url: "",
    faults: new Map(),
    met: new Map(),
    requests: new Map(),
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const path = request.url ?? "/";
    count(proxy.requests, path.split("/").at(-1) ?? "");
    const [mark, fault] = [...proxy.faults].find(([one]) => path.includes(one) || body.includes(one)) ?? [];
    if (mark !== undefined) count(proxy.met, mark);
    if (fault === "down") return void request.socket.destroy();
    if (fault === "hang") return;
    if (fault === "error") return void response.writeHead(500).end("{}");
    if (fault === "limited") return void response.writeHead(429, { "retry-after": "1" }).end("{}");
    const forwarded = await forward(request, path, fault === "half" ? halfOf(body) : body);
    if (fault === "half") return void response.writeHead(500).end("{}");
    response.writeHead(forwarded.status, {
      "content-type": forwarded.type,
      "content-length": forwarded.bytes.length,
    });
    if (fault === undefined) return void response.end(forwarded.bytes);
    response.write(forwarded.bytes.subarray(0, Math.ceil(forwarded.bytes.length / 2)));
    setTimeout(() => request.socket.destroy(), 20);
  }

  async function forward(request: IncomingMessage, path: string, body: string) {
    const answered = await fetch(target + path, {
      method: request.method ?? "GET",
      headers: { "content-type": "application/json" },
      ...(body === "" ? {} : { body }),
    });
    const type = answered.headers.get("content-type") ?? "application/json";
    return { status: answered.status, type, bytes: Buffer.from(await answered.arrayBuffer()) };
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The write with the first half of its records; anything else as it is. */
function halfOf(body: string): string {
  if (!body.includes('"ids"')) return body;
  const { ids, embeddings, metadatas, ...rest } = JSON.parse(body) as Record<string, unknown[]>;
  const half = <T>(list: T[] | undefined) => list?.slice(0, Math.ceil((ids?.length ?? 0) / 2));
  return JSON.stringify({
    ...rest,
    ids: half(ids),
    embeddings: half(embeddings),
    metadatas: half(metadatas),
  });
}
