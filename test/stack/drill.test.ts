import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DrillReport, runDrill } from "../../scripts/drill/run.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const QUERIES = [
  "parse a bearer credential",
  "sign a cursor",
  "fold text",
  "glob pattern",
  "cut a path into segments",
];
const AGE = spawnSync("age", ["--version"]).status === 0;
if (!AGE)
  console.warn("SKIPPED: the command `age` is not installed, so nothing shows that it reads a backup.");

let folder: string;
let report: DrillReport;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-drill-"));
  const files = globSync("src/core/*.ts", { cwd: ROOT }).map((path) => ({
    path,
    content: readFileSync(join(ROOT, path)),
  }));
  report = await runDrill({ folder, files, queries: QUERIES, say: () => {} });
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a backup, restored into an empty stack", () => {
  it("gives the same files, chunks and results, and embeds nothing again", () => {
    expect(report).toMatchObject({ queries: QUERIES.length, tokensEmbedded: 0 });
    expect(report.files).toBeGreaterThan(20);
  });

  it("does not bring back what was deleted after the backup", () => {
    expect(report.files).toBe(globSync("src/core/*.ts", { cwd: ROOT }).length - 1);
  });

  it("is read from two archives: it refers to what the one before it holds", () => {
    expect(report.referred).toBeGreaterThan(report.files / 2);
    expect(report.referred).toBeLessThan(report.files);
  });

  it("is refused when a byte of any region differs, when it is cut off, foreign, or another's", () => {
    expect(report.damagesRefused).toBe(15);
  });

  it.skipIf(!AGE)(
    "is read by the stock commands tar, sha256sum and age, with the key before the last rotation",
    () => {
      const out = join(folder, "stock");
      mkdirSync(out);
      // The later one last: its rows stay. The blobs of both come together.
      for (const archive of [report.earlier, report.archive]) {
        execFileSync("tar", ["xf", archive, "-C", out]);
        execFileSync("sha256sum", ["--quiet", "-c", "SHA256SUMS"], { cwd: out });
        execFileSync("age", ["-d", "-i", report.previousIdentity, "-o", "part.tar", "part-00001.tar.age"], {
          cwd: out,
        });
        execFileSync("tar", ["xf", "part.tar"], { cwd: out });
      }
      expect(existsSync(join(out, "settings.json"))).toBe(true);
      expect(globSync("d1/files/*.jsonl", { cwd: out }).length).toBeGreaterThan(0);
      expect(globSync("blobs/*/*", { cwd: out }).length).toBe(report.files + 1);
    },
  );
});
