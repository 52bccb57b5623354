import { randomBytes, randomUUID } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { StackFailure } from "./failure.ts";

export interface State {
  root: string;
  path(...names: string[]): string;
  /** Null where the file is absent or was cut off. */
  readJson<T>(name: string): T | null;
  /** Atomic; mode 600. */
  writeJson(name: string, value: unknown): void;
}

const MARKER = "README.txt";
const MARKER_TEXT =
  "State of a local DevFlow. Deleting this folder deletes what was indexed, and its keys.\n";

const ADVICE = "Set DEVFLOW_STATE to a new or empty folder.";

/**
 * Where the local stack keeps everything: `DEVFLOW_STATE`, else `.devflow` in the project. Mode 700.
 * Errors: the folder holds something else, whose permissions are not ours to change.
 */
export function openState(folder = process.env["DEVFLOW_STATE"] || defaultFolder()): State {
  const root = resolve(folder);
  try {
    prepare(root);
  } catch (cause) {
    if (cause instanceof StackFailure) throw cause;
    throw new StackFailure(`${root} cannot hold the state: ${(cause as Error).message}. ${ADVICE}`, {
      cause,
    });
  }
  return {
    root,
    path: (...names) => join(root, ...names),
    readJson<T>(name: string): T | null {
      try {
        return JSON.parse(readFileSync(join(root, name), "utf8")) as T;
      } catch {
        return null;
      }
    },
    writeJson: (name, value) => writePrivately(join(root, name), `${JSON.stringify(value, null, 2)}\n`),
  };
}

function prepare(root: string): void {
  const names = existsSync(root) ? readdirSync(root) : [];
  if (names.length > 0 && !names.includes(MARKER) && !names.includes("secrets.json")) {
    throw new StackFailure(`${root} holds other things than DevFlow's state. ${ADVICE}`);
  }
  mkdirSync(root, { recursive: true });
  chmodSync(root, 0o700);
  writeFileSync(join(root, MARKER), MARKER_TEXT);
  mkdirSync(join(root, "logs"), { recursive: true });
}

function defaultFolder(): string {
  return resolve(import.meta.dirname, "../../.devflow");
}

/** Writes beside the file and renames, so that a crash leaves the old or the new one whole. Mode 600. */
export function writePrivately(path: string, text: string): void {
  const draft = `${path}.${randomUUID()}.tmp`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
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
