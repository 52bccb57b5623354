import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { SETTING_NAMES } from "../../src/config.ts";
import { PROJECT } from "./wrangler.ts";

/** A setting of the Worker to its value. */
export type WorkerSettings = Record<string, string>;

/** The local stack is a development environment, whatever a shell's ENVIRONMENT says. */
const NEVER_TAKEN = new Set(["ENVIRONMENT"]);

/**
 * Settings that a person gave: `.env`, then `.dev.vars` of the project, then the environment, each over the one
 * before. Only names that the Worker knows are taken.
 */
export function givenSettings(environment: NodeJS.ProcessEnv = process.env): WorkerSettings {
  const files = [".env", ".dev.vars"].map((name) => readSettings(join(PROJECT, name)));
  const all: NodeJS.Dict<string> = Object.assign({}, ...files, environment);
  return Object.fromEntries(
    SETTING_NAMES.flatMap((name) => {
      const value = all[name];
      return value === undefined || value === "" || NEVER_TAKEN.has(name) ? [] : [[name, value]];
    }),
  );
}

/** A file of settings, which may hold secrets: others on this machine lose the right to read it (mode 600). */
export function readSettings(path: string): NodeJS.Dict<string> {
  if (!existsSync(path)) return {};
  if ((statSync(path).mode & 0o077) !== 0) {
    try {
      chmodSync(path, 0o600);
    } catch {
      // Somebody else's file, or a file system without modes: reading it is what was asked for.
    }
  }
  return parseEnv(readFileSync(path, "utf8"));
}
