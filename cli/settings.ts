import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import envPaths from "env-paths";
import { CliError } from "./failure.ts";

export interface Login {
  url: string;
  key: string;
}

/** Where `devflow login` keeps URL and key: the user's configuration folder, or the folder that DEVFLOW_CONFIG names. */
export function settingsFile(env: NodeJS.ProcessEnv = process.env): string {
  const folder = env["DEVFLOW_CONFIG"] ?? envPaths("devflow", { suffix: "" }).config;
  return join(folder, "login.json");
}

/**
 * URL and key, each from the option, else the environment, else what `login` kept. A key is only taken from there
 * together with its URL: it must not be sent to a server that it was not made for.
 */
export function readLogin(
  options: { url?: string | undefined },
  env: NodeJS.ProcessEnv = process.env,
): Login {
  const stored = readStored(settingsFile(env));
  const url = options.url ?? env["DEVFLOW_URL"] ?? stored?.url;
  if (url === undefined) throw notLoggedIn("It is not known where DevFlow runs.");
  if (!/^https?:\/\/./.test(url))
    throw new CliError(`${url} is no URL: it has to begin with http:// or https://.`);
  const key = env["DEVFLOW_KEY"] ?? (stored?.url === url ? stored.key : undefined);
  if (key === undefined) throw notLoggedIn(`There is no key for ${url}.`);
  return { url, key };
}

function notLoggedIn(what: string): CliError {
  return new CliError(what, "Run `devflow login`, or set DEVFLOW_URL and DEVFLOW_KEY.");
}

function readStored(file: string): Login | null {
  try {
    const { url, key } = JSON.parse(readFileSync(file, "utf8")) as Partial<Login>;
    return typeof url === "string" && typeof key === "string" ? { url, key } : null;
  } catch {
    return null;
  }
}

/** Readable by its owner alone (mode 600, folder 700). */
export function writeLogin(login: Login, env: NodeJS.ProcessEnv = process.env): string {
  const file = settingsFile(env);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 });
  // An older file keeps its mode when it is written over.
  chmodSync(file, 0o600);
  return file;
}

export function forgetLogin(env: NodeJS.ProcessEnv = process.env): void {
  rmSync(settingsFile(env), { force: true });
}
