import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Child, type Launch, startChild, untilReady } from "./child.ts";
import { freePort } from "./ports.ts";
import type { WorkerSettings } from "./settings.ts";
import { trustLocalCertificate } from "./trust.ts";
import { findError } from "./worker-log.ts";
import { CONFIG, wranglerEnvironment } from "./wrangler.ts";

const SETTINGS = "worker.json";
const READY_MS = 120_000;
const ATTEMPTS = 3;

export interface WorkerOptions {
  host: string;
  /** Wanted port; a taken one gives way to the next free one. 0: any. */
  port: number;
  settings: WorkerSettings;
  /** The folder of the bundle; null: from the sources, by wrangler's own server. */
  bundle: string | null;
  /** Serve a certificate of wrangler's own making. */
  https: boolean;
  /** Rebuild when the sources change. */
  watch: boolean;
  /** Where V8's inspector listens, on loopback; null: nowhere. */
  inspectorPort: number | null;
}

/**
 * The Worker in workerd. Settings travel in a file of mode 600: `ps` would show them on a command line.
 * A port that another process takes after it was found free is given up for the next one.
 */
export async function startWorker(
  launch: Launch,
  options: WorkerOptions,
): Promise<{ url: string; child: Child }> {
  launch.state.writeJson(SETTINGS, options.settings);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(options.host, options.port);
    const child = launchWorker(launch, options, port);
    const url = `${options.https ? "https" : "http"}://${authority(options.host, port)}`;
    try {
      if (options.https) await trustLocalCertificate(child, port);
      await untilReady(child, { url: `${url}/health`, timeoutMs: READY_MS, refuse: misconfiguration });
      return { url, child };
    } catch (error) {
      const taken = child.lastLines().some((line) => line.includes("Address already in use"));
      if (!taken || attempt === ATTEMPTS) throw error;
    }
  }
}

function launchWorker(launch: Launch, options: WorkerOptions, port: number): Child {
  const { bundle, host, https, watch, inspectorPort } = options;
  const program =
    bundle === null
      ? ["serve-sources.ts", ...(https ? ["--https"] : []), ...(watch ? ["--watch"] : [])]
      : ["serve-worker.ts", "--bundle", bundle, "--config", CONFIG];
  const [script = "", ...own] = program;
  return startChild({
    name: "worker",
    command: process.execPath,
    args: [
      ...["--import", pathToFileURL(join(import.meta.dirname, "grow-faster.ts")).href],
      ...[join(import.meta.dirname, script), ...own],
      ...["--settings", launch.state.path(SETTINGS), "--persist-to", launch.state.path("cloudflare")],
      ...["--ip", host, "--port", String(port)],
      ...(inspectorPort === null ? [] : ["--inspector-port", String(inspectorPort)]),
    ],
    env: { ...wranglerEnvironment(launch.state), TMPDIR: emptied(launch.state.path("cloudflare", "tmp")) },
    launch,
    findError,
  });
}

/** Miniflare leaves a folder behind where it is killed. */
function emptied(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Where this machine reaches what listens on the host. */
function authority(host: string, port: number): string {
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/** The Worker answers 503 to everything while a setting is wrong, and its problem says which. */
async function misconfiguration(response: Response): Promise<string | null> {
  const problem = await response.json().catch(() => null);
  if (problem?.code !== "misconfigured") return null;
  return `The Worker refuses its settings. ${problem.detail} They come from the environment, .dev.vars and .env.`;
}
