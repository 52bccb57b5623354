import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Builds the Worker as a deployment would, and fails where it is over its bound, gzipped. */
const MAX_GZIPPED_BYTES = 8 * 1024 * 1024;

const folder = mkdtempSync(join(tmpdir(), "devflow-bundle-"));
try {
  execFileSync("wrangler", ["deploy", "--dry-run", "--env", "production", "--outdir", folder], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
  });
  let gzipped = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const file = join(folder, name);
    if (statSync(file).isFile() && !name.endsWith(".map") && !name.endsWith(".md")) {
      gzipped += gzipSync(readFileSync(file)).length;
    }
  }
  console.log(
    `bundle: ${Math.round(gzipped / 1024)} KiB gzipped, of ${MAX_GZIPPED_BYTES / 1024} KiB allowed`,
  );
  process.exitCode = gzipped > MAX_GZIPPED_BYTES ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
