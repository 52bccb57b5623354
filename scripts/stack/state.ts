import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** Where the local stack keeps everything: `DEVFLOW_STATE`, else `.devflow` in the project. Mode 700. */
export function openState(folder = process.env["DEVFLOW_STATE"] || ".devflow"): State {
  const root = resolve(folder);
  for (const path of [root, join(root, "logs")]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, 0o700);
  }
  return {
    root,
    path: (...names) => join(root, ...names),
    readJson<T>(name: string): T | null {
      const path = join(root, name);
      if (!existsSync(path)) return null;
      try {
        return JSON.parse(readFileSync(path, "utf8")) as T;
      } catch {
        return null;
      }
    },
    writeJson: (name, value) => writePrivately(join(root, name), `${JSON.stringify(value, null, 2)}\n`),
  };
}

export interface State {
  root: string;
  path(...names: string[]): string;
  /** Null where the file is absent or was cut off. */
  readJson<T>(name: string): T | null;
  /** Atomic; mode 600. */
  writeJson(name: string, value: unknown): void;
}

/** Writes beside the file and renames, so that a crash leaves the old or the new one whole. Mode 600. */
export function writePrivately(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Secrets of this stack alone: made once, 256 random bits each. */
export interface LocalSecrets {
  ROOT_API_KEY: string;
  JWT_SECRET: string;
}

export function localSecrets(state: State): LocalSecrets {
  const known = state.readJson<LocalSecrets>("secrets.json");
  if (known?.ROOT_API_KEY && known.JWT_SECRET) return known;
  const fresh = {
    ROOT_API_KEY: randomBytes(32).toString("base64url"),
    JWT_SECRET: randomBytes(32).toString("base64url"),
  };
  state.writeJson("secrets.json", fresh);
  return fresh;
}
