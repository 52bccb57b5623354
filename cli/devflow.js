#!/usr/bin/env node
// Runs the command by a Node that reads TypeScript: this one where it is new enough, else the one among the packages.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import * as modules from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const readsTypeScript = major > 22 || (major === 22 && minor >= 18);

// What Node makes of the sources is kept for the next time, which then takes half as long to start. Not in the folder for
// temporary files, where others could leave something to be run.
function compiledFolder() {
  const folder = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "devflow", "compiled");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch {
    // A home that nothing can be written to.
    return null;
  }
}

function packagedNode() {
  const { resolve } = modules.createRequire(import.meta.url);
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
const compiled = compiledFolder();
if (node === process.execPath) {
  if (compiled !== null) modules.enableCompileCache?.(compiled);
  await import("./main.ts");
} else {
  const child = spawn(node, [join(here, "main.ts"), ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...(compiled === null ? {} : { NODE_COMPILE_CACHE: compiled }), ...process.env },
  });
  // The terminal sends CTRL-C to both; the child decides what it means.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}
