#!/usr/bin/env node
// Runs the command by a Node that reads TypeScript: this one where it is new enough, else the one among the packages.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const readsTypeScript = major > 22 || (major === 22 && minor >= 18);

function packagedNode() {
  const { resolve } = createRequire(import.meta.url);
  for (const name of [
    `node-${process.platform}-${process.arch}`,
    `node-bin-${process.platform}-${process.arch}`,
  ]) {
    try {
      const binary = join(dirname(resolve(`${name}/package.json`)), "bin", "node");
      if (existsSync(binary)) return binary;
    } catch {
      // Not among the packages of this platform.
    }
  }
  return null;
}

const node = readsTypeScript ? process.execPath : packagedNode();
if (node === null) {
  console.error(
    "devflow needs Node 22.18 or newer: this is %s, and no packaged one was found.",
    process.version,
  );
  console.error("Run `npm install` in DevFlow's folder, or install a newer Node.");
  process.exit(1);
}
if (node === process.execPath) {
  await import("./main.ts");
} else {
  const child = spawn(node, [join(here, "main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends CTRL-C to both; the child decides what it means.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}
