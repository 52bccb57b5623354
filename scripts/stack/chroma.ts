import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { answers, type Launch, startChild } from "./child.ts";
import { freePort } from "./ports.ts";

const READY_MS = 30_000;

/** The server that the `chromadb` package carries; it has no authentication, so it binds to loopback. */
export async function startChroma(launch: Launch): Promise<{ url: string }> {
  const port = await freePort("127.0.0.1", 0);
  const cli = join(dirname(createRequire(import.meta.url).resolve("chromadb")), "..", "cli.mjs");
  const child = startChild({
    name: "chroma",
    command: process.execPath,
    args: [cli, "run", "--path", launch.state.path("chroma"), "--host", "127.0.0.1", "--port", String(port)],
    env: { ANONYMIZED_TELEMETRY: "False" },
    launch,
  });
  const url = `http://127.0.0.1:${port}`;
  await answers(child, `${url}/api/v2/heartbeat`, READY_MS);
  return { url };
}
