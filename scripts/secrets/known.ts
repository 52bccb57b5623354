import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { writePrivately } from "../stack/state.ts";

/** A secret that was made or shown here; only its digest is kept. All are long and random, or a provider's. */
export interface KnownSecret {
  /** SHA-256, hexadecimal. */
  digest: string;
  environment: string;
  name: string;
}

const PROJECT = resolve(import.meta.dirname, "../..");
const KNOWN_FILE = process.env["DEVFLOW_SECRET_DIGESTS"] || join(PROJECT, ".secret-digests.json");

/** Digests of what these commands made or were shown, and of the local stack's own secrets. */
export function knownSecrets(file = KNOWN_FILE, stateFolder = localState()): KnownSecret[] {
  const local = readJson<Record<string, string>>(join(stateFolder, "secrets.json")) ?? {};
  return [
    ...(readJson<KnownSecret[]>(file) ?? []),
    ...Object.entries(local).map(([name, value]) => known(value, "the local stack", name)),
  ];
}

/** Where else the secret is in use, in words; null where it is new, or set again in the same place. */
export function reuse(list: readonly KnownSecret[], secret: KnownSecret): string | null {
  const twin = list.find(
    ({ digest, environment, name }) =>
      digest === secret.digest && (environment !== secret.environment || name !== secret.name),
  );
  return twin === undefined ? null : `is ${twin.name} of ${twin.environment}`;
}

/** Adds what is new. Mode 600, and ignored by git. */
export function remember(secrets: readonly KnownSecret[], file = KNOWN_FILE): void {
  const before = readJson<KnownSecret[]>(file) ?? [];
  const fresh = secrets.filter(
    (one) => !before.some((other) => JSON.stringify(other) === JSON.stringify(one)),
  );
  if (fresh.length > 0) writePrivately(file, `${JSON.stringify([...before, ...fresh], null, 2)}\n`);
}

export function known(value: string, environment: string, name: string): KnownSecret {
  return { digest: createHash("sha256").update(value).digest("hex"), environment, name };
}

function localState(): string {
  return process.env["DEVFLOW_STATE"] || join(PROJECT, ".devflow");
}

/** Null where the file is absent. Errors: it is there and is no JSON; better told than forgotten. */
function readJson<T>(file: string): T | null {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : null;
}
