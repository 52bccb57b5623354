import { spawn } from "node:child_process";
import { freePort } from "../scripts/stack/ports.ts";

const READY_MS = 30_000;

/** Starts the Worker of `bench/<name>`, and answers its address once `probe` is served. */
export async function startOtherWorker(
  name: string,
  probe: string,
  persist: string,
): Promise<{ url: string; stop(): void }> {
  const port = await freePort("127.0.0.1", 0);
  const child = spawn(
    process.execPath,
    [
      "scripts/stack/tether.ts",
      process.execPath,
      ...["bench/serve.ts", `bench/${name}/wrangler.toml`, String(port), persist],
    ],
    {
      stdio: ["pipe", "ignore", "inherit"],
      // As the local stack runs wrangler.
      env: {
        ...process.env,
        CLOUDFLARE_CF_FETCH_ENABLED: "false",
        WRANGLER_SEND_METRICS: "false",
        X_LOCAL_EXPLORER: "false",
        X_LOCAL_OBSERVABILITY: "false",
      },
    },
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
