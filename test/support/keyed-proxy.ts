import { createServer, request as send } from "node:http";
import type { AddressInfo } from "node:net";

export interface KeyedProxy {
  url: string;
  /** Keys that the provider takes: others are refused with 401. */
  accepted: Set<string>;
  /** Requests that were let through, by key. */
  used: Map<string, number>;
  refused: number;
  stop(): void;
}

/** A provider that asks for a key, before an upstream that does not. @param header which carries it. */
export async function startKeyedProxy(target: string, header: string, key: string): Promise<KeyedProxy> {
  const server = createServer((request, response) => {
    const given = String(request.headers[header] ?? "").replace(/^Bearer /, "");
    if (!proxy.accepted.has(given)) {
      proxy.refused += 1;
      request.resume();
      response
        .writeHead(401, { "content-type": "application/json" })
        .end('{"error": {"message": "no such key"}}');
      return;
    }
    proxy.used.set(given, (proxy.used.get(given) ?? 0) + 1);
    const { method, headers, url = "/" } = request;
    const forwarded = send(target + url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  const proxy: KeyedProxy = {
    url: "",
    accepted: new Set([key]),
    used: new Map(),
    refused: 0,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}
