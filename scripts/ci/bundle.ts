import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { activeMs, type CpuProfile } from "./startup.ts";

/**
 * Builds the Worker as a deployment would, and fails where it is over its bounds: gzipped bytes, and the time that it
 * computes before its first request. Cloudflare refuses a Worker of over 10 MB, or that takes over a second of CPU.
 */
const MAX_GZIPPED_BYTES = 8 * 1024 * 1024;
const MAX_STARTUP_MS = 600;
/** Of which the shortest counts: what else the machine does only makes one longer. */
const ATTEMPTS = 5;
/** Or wrangler's message to workerd takes longer than the ten seconds that it waits for it. */
const GROW_FASTER = pathToFileURL(resolve(import.meta.dirname, "../stack/grow-faster.ts")).href;

const folder = mkdtempSync(join(tmpdir(), "devflow-bundle-"));
const upload = join(folder, "upload.bundle");
const modules = join(folder, "modules");

function wrangler(args: string[]): void {
  execFileSync("wrangler", args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      NODE_OPTIONS: `--import ${GROW_FASTER}`,
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_HIDE_BANNER: "true",
    },
  });
}

function gzippedBytes(): number {
  let gzipped = 0;
  for (const name of readdirSync(modules, { recursive: true, encoding: "utf8" })) {
    const file = join(modules, name);
    if (statSync(file).isFile() && !name.endsWith(".map") && !name.endsWith(".md")) {
      gzipped += gzipSync(readFileSync(file)).length;
    }
  }
  return gzipped;
}

/** Infinity where wrangler gave up, as it does after ten seconds on a machine that is very busy. */
function startupMs(): number {
  const profile = join(folder, "startup.cpuprofile");
  try {
    wrangler(["check", "startup", "--worker", upload, "--outfile", profile]);
  } catch (error) {
    console.error(`A start was not measured: ${error instanceof Error ? error.message : error}`);
    return Number.POSITIVE_INFINITY;
  }
  return activeMs(JSON.parse(readFileSync(profile, "utf8")) as CpuProfile);
}

try {
  wrangler(["deploy", "--dry-run", "--env", "production", "--outdir", modules, "--outfile", upload]);
  const gzipped = gzippedBytes();
  console.log(
    `bundle: ${Math.round(gzipped / 1024)} KiB gzipped, of ${MAX_GZIPPED_BYTES / 1024} KiB allowed`,
  );
  let shortest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && shortest > MAX_STARTUP_MS; attempt++) {
    shortest = Math.min(shortest, startupMs());
  }
  console.log(`start-up: ${Math.round(shortest)} ms, of ${MAX_STARTUP_MS} ms allowed`);
  process.exitCode = gzipped > MAX_GZIPPED_BYTES || shortest > MAX_STARTUP_MS ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
