import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT } from "../stack/wrangler.ts";

const DIST = join(PROJECT, "web/dist");
const STAMP = join(DIST, "sources.sha256");
const SOURCES = [
  "web/*.html",
  "web/vite.config.ts",
  "scripts/web/*.ts",
  "web/{src,static}/**",
  "client/*.ts",
  "docs/**/*.{md,svg,png}",
  "package-lock.json",
];

/** Builds the pages into `web/dist`. With `ifStale`, nothing is done where its sources are those of the last build. */
export async function buildPage({ ifStale }: { ifStale: boolean }): Promise<void> {
  const digest = digestOfSources();
  if (ifStale && existsSync(STAMP) && readFileSync(STAMP, "utf8") === digest) return;
  // Loaded where there is something to build: every start of the stack asks.
  const { build } = await import("vite");
  await build({ configFile: join(PROJECT, "web/vite.config.ts"), logLevel: "warn" });
  writeFileSync(STAMP, digest);
}

function digestOfSources(): string {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((pattern) => globSync(pattern, { cwd: PROJECT, withFileTypes: true }));
  for (const file of files
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()) {
    hash.update(`${file}\0`).update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}
