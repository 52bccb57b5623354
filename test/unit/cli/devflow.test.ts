import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";

const DEVFLOW = resolve(import.meta.dirname, "../../../cli/devflow.js");
const folder = mkdtempSync(join(tmpdir(), "devflow-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const version = (cacheHome: string) =>
  execFileSync(process.execPath, [DEVFLOW, "--version"], {
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: cacheHome },
  });

it("keeps what Node made of its sources where nobody else may write", () => {
  const cache = join(folder, "cache");
  expect(version(cache)).toMatch(/^\d+\.\d+\.\d+\n$/);
  const compiled = join(cache, "devflow", "compiled");
  expect(statSync(compiled).mode & 0o777).toBe(0o700);
  expect(readdirSync(compiled)).not.toEqual([]);
});

it("starts where nothing can be kept", () => {
  expect(version("/dev/null")).toMatch(/^\d/);
  expect(existsSync("/dev/null/devflow")).toBe(false);
});

/** What it says on stderr, with nothing behind its address. */
const told = (...args: string[]) =>
  spawnSync(process.execPath, [DEVFLOW, ...args], {
    encoding: "utf8",
    env: { ...process.env, DEVFLOW_URL: "http://127.0.0.1:9", DEVFLOW_KEY: "x" },
  }).stderr;

it("tells once what it waits for, and then how long", () => {
  const waits = told("jobs")
    .split("\n")
    .filter((line) => line.includes("Waiting"));
  expect(waits).toHaveLength(2);
  expect(waits[0]).toContain("Nothing answers at http://127.0.0.1:9.");
  expect(waits[1]).not.toContain("Nothing answers");
});

it("advises --verbose only where that tells more", () => {
  expect(told("jobs")).toContain("--verbose tells more.");
  const missing = told("similar", "nowhere.ts");
  expect(missing).toContain("there is no such file");
  expect(missing).not.toContain("--verbose");
});
