import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Child, type Launch, startChild, untilReady } from "./child.ts";
import { freePort } from "./ports.ts";
import { toEnvFile, type WorkerSettings } from "./settings.ts";
import { writePrivately } from "./state.ts";
import { trustLocalCertificate } from "./trust.ts";
import { wranglerEnvironment } from "./wrangler.ts";

const READY_MS = 120_000;
const ATTEMPTS = 3;

export interface WorkerOptions {
  host: string;
  /** Wanted port; a taken one gives way to the next free one. 0: any. */
  port: number;
  settings: WorkerSettings;
  /** Serve a certificate of wrangler's own making. */
  https: boolean;
  /** Rebuild when the sources change. */
  watch: boolean;
  /** Where V8's inspector listens, on loopback; null: nowhere. */
  inspectorPort: number | null;
}

/**
 * The Worker under wrangler. Settings travel in a file of mode 600: `ps` would show them on a command line.
 * A port that another process takes after it was found free is given up for the next one.
 */
export async function startWorker(
  launch: Launch,
  options: WorkerOptions,
): Promise<{ url: string; child: Child }> {
  const envFile = launch.state.path("worker.env");
  writePrivately(envFile, toEnvFile(options.settings));
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(options.host, options.port);
    const child = launchWrangler(launch, options, envFile, port);
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

function launchWrangler(launch: Launch, options: WorkerOptions, envFile: string, port: number): Child {
  return startChild({
    name: "worker",
    command: process.execPath,
    args: [
      ...["--import", pathToFileURL(join(import.meta.dirname, "grow-faster.ts")).href],
      join(import.meta.dirname, "serve-worker.ts"),
      ...["--env-file", envFile, "--persist-to", launch.state.path("cloudflare")],
      ...["--ip", options.host, "--port", String(port)],
      ...(options.https ? ["--https"] : []),
      ...(options.watch ? ["--watch"] : []),
      ...(options.inspectorPort === null ? [] : ["--inspector-port", String(options.inspectorPort)]),
    ],
    env: wranglerEnvironment(launch.state),
    launch,
    findError,
  });
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

/** An entry of level `error` in the Worker's log, or an error of wrangler's own, such as a failed build. */
export function findError(line: string): string | null {
  if (!line.includes('"level":"error"')) return line.includes("✘ [ERROR]") ? line : null;
  const entry = /\{.*\}/.exec(line)?.[0] ?? "";
  try {
    const { message, error = "" } = JSON.parse(entry) as { message: string; error?: string };
    return [message, error.split("\n", 1)[0]].filter(Boolean).join(": ");
  } catch {
    return line;
  }
}
