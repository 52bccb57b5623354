import { execFile, spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../scripts/stack/ports.ts";

const READY_MS = 30_000;

/** Starts the Worker of `bench/<name>` just as the local stack starts DevFlow, and answers its address once `probe` is served. */
export async function startOtherWorker(
  name: string,
  probe: string,
  folder: string,
): Promise<{ url: string; stop(): void }> {
  const config = resolve("bench", name, "wrangler.toml");
  const bundle = join(folder, "bundle");
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" };
  const bundling = ["scripts/stack/bundle-worker.ts", "--config", config, "--out", bundle];
  await promisify(execFile)(process.execPath, bundling, { env });
  const port = await freePort("127.0.0.1", 0);
  const child = spawn(
    process.execPath,
    [
      ...["scripts/stack/tether.ts", process.execPath, "scripts/stack/serve-worker.ts"],
      ...["--bundle", bundle, "--config", config, "--persist-to", folder, "--port", String(port)],
    ],
    { stdio: ["pipe", "ignore", "inherit"], env },
  );
  const stop = () => child.stdin?.end();
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline; ) {
    const ok = await fetch(url + probe).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return { url, stop };
    await new Promise((next) => setTimeout(next, 100));
  }
  stop();
  throw new Error(`the Worker ${name} did not start`);
}
