import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runDrill } from "./drill/run.ts";

/** The project's own sources, backed up and restored into a second local stack: `npm run drill`. */
const ROOT = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "devflow-drill-"));
try {
  const { globSync } = await import("node:fs");
  const paths = globSync("src/**/*.ts", { cwd: ROOT });
  const files = paths.map((path) => ({ path, content: readFileSync(join(ROOT, path)) }));
  // A file's own name, as words: 50 of them, from all over the tree.
  const step = Math.max(1, Math.floor(paths.length / 50));
  const queries = paths
    .filter((_, i) => i % step === 0)
    .slice(0, 50)
    .map((path) => path.replace(/\.ts$/, "").replaceAll(/[/-]/g, " "));
  const report = await runDrill({ folder, files, queries, say: (line) => console.log(line) });
  console.log(JSON.stringify(report, null, 2));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
