import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Launch, type Server, startChild, untilReady } from "./child.ts";
import { freePort } from "./ports.ts";

const READY_MS = 60_000;

/** The server that the `chromadb` package carries; it has no authentication, so it binds to loopback. */
export async function startChroma(launch: Launch): Promise<Server> {
  const port = await freePort("127.0.0.1", 0);
  const cli = join(dirname(createRequire(import.meta.url).resolve("chromadb")), "..", "cli.mjs");
  const child = startChild({
    name: "chroma",
    command: process.execPath,
    args: [cli, "run", "--path", launch.state.path("chroma"), "--host", "127.0.0.1", "--port", String(port)],
    env: { ANONYMIZED_TELEMETRY: "False", RUST_BACKTRACE: "0" },
    launch,
  });
  const url = `http://127.0.0.1:${port}`;
  const ready = untilReady(child, {
    url: `${url}/api/v2/heartbeat`,
    timeoutMs: READY_MS,
    advice:
      "If its native module did not load: it needs Linux with glibc 2.34 or newer, or macOS. Elsewhere, run a " +
      "Chroma server yourself and name it in CHROMA_URL.",
  });
  return { url, child, ready };
}
