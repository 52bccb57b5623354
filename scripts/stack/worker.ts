import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { SETTING_NAMES } from "../../src/config.ts";
import { answers, type Launch, startChild } from "./child.ts";
import { StackFailure } from "./failure.ts";
import { freePort } from "./ports.ts";
import { type State, writePrivately } from "./state.ts";

const READY_MS = 60_000;
const PROJECT = resolve(import.meta.dirname, "../..");
const WRANGLER = join(PROJECT, "node_modules/wrangler/bin/wrangler.js");

/** Keeps wrangler from calling out: no account, no network. */
const OFFLINE = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CI: "true",
};

export interface WorkerOptions {
  host: string;
  port: number;
  /** Settings of the Worker, by name. */
  settings: Record<string, string>;
  /** Serve a certificate of wrangler's own making. */
  https: boolean;
}

/** `wrangler dev` on the project. Settings travel in a file of mode 600: `ps` would show them on a command line. */
export async function startWorker(launch: Launch, options: WorkerOptions): Promise<{ url: string }> {
  const { state } = launch;
  const envFile = state.path("worker.env");
  writePrivately(envFile, toEnvFile(options.settings));
  const [port, inspectorPort] = await Promise.all([
    freePort(options.host, options.port),
    freePort("127.0.0.1", 0),
  ]);
  const child = startChild({
    name: "worker",
    command: process.execPath,
    args: [
      WRANGLER,
      "dev",
      ...["--cwd", PROJECT, "--env-file", envFile, "--persist-to", state.path("cloudflare")],
      ...["--ip", options.host, "--port", String(port), "--inspector-port", String(inspectorPort)],
      ...["--show-interactive-dev-session", "false", "--log-level", "log"],
      ...(options.https ? ["--local-protocol", "https"] : []),
    ],
    env: OFFLINE,
    launch,
  });
  const reachable = options.host === "0.0.0.0" || options.host === "::" ? "127.0.0.1" : options.host;
  const authority = reachable.includes(":") ? `[${reachable}]` : reachable;
  const url = `${options.https ? "https" : "http"}://${authority}:${port}`;
  await answers(child, `${url}/health`, READY_MS);
  return { url };
}

/** Applies the migrations to the local D1, unless the same ones were applied before. */
export async function migrate(state: State): Promise<void> {
  const digest = createHash("sha256");
  const folder = join(PROJECT, "migrations");
  for (const name of readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort()) {
    digest.update(name).update(readFileSync(join(folder, name)));
  }
  const wanted = digest.digest("hex");
  const database = state.path("cloudflare", "v3", "d1");
  if (existsSync(database) && state.readJson<{ applied: string }>("migrations.json")?.applied === wanted)
    return;
  const args = ["d1", "migrations", "apply", "DB", "--local", "--persist-to", state.path("cloudflare")];
  const run = spawn(process.execPath, [WRANGLER, ...args], {
    cwd: PROJECT,
    env: { ...process.env, ...OFFLINE },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  run.stdout.on("data", (part: Buffer) => (output += part.toString()));
  run.stderr.on("data", (part: Buffer) => (output += part.toString()));
  const code = await new Promise<number | null>((done) => run.once("exit", done));
  if (code !== 0) throw new StackFailure(`The database migrations failed.\n${output.trim()}`);
  state.writeJson("migrations.json", { applied: wanted });
}

/**
 * Settings that a person gave: `.env`, then `.dev.vars` of the project, then the environment, each over the one
 * before. Only names that the Worker knows are taken.
 */
export function givenSettings(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const files = [".env", ".dev.vars"].map((name) => {
    const path = join(PROJECT, name);
    return existsSync(path) ? parseEnv(readFileSync(path, "utf8")) : {};
  });
  const all: NodeJS.Dict<string> = Object.assign({}, ...files, environment);
  return Object.fromEntries(
    SETTING_NAMES.flatMap((name) => {
      const value = all[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}

/** Single quotes take everything literally in dotenv files, but for the quote itself. */
function toEnvFile(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => {
      const quote = ["'", '"', "`"].find((mark) => !value.includes(mark));
      if (quote === undefined || /[\r\n]/.test(value)) {
        throw new StackFailure(`The setting ${name} holds a line break or all three kinds of quotes.`);
      }
      return `${name}=${quote}${value}${quote}\n`;
    })
    .join("");
}
