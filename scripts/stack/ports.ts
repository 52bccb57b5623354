import { createServer } from "node:net";
import { StackFailure } from "./failure.ts";

const ATTEMPTS = 50;

/** The wanted port, or the next free one after it; 0 asks for any. Errors: `host` cannot be bound at all. */
export async function freePort(host: string, wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + ATTEMPTS && port <= 65_535; port++) {
    const bound = await tryBind(host, port);
    if (bound !== null) return bound;
    if (port === 0) break;
  }
  throw new StackFailure(
    `No free port on ${host} from ${wanted} to ${wanted + ATTEMPTS - 1}. Set API_PORT to another one.`,
  );
}

function tryBind(host: string, port: number): Promise<number | null> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") done(null);
      else
        fail(
          new StackFailure(
            `${host} cannot be bound: ${error.message}. Set API_HOST to an address of this machine.`,
          ),
        );
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : null;
      server.close(() => done(bound));
    });
  });
}
