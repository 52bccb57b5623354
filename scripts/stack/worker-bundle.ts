import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import type { V4WorkerOptions } from "miniflare";
import { buildPage } from "../web/page.ts";
import { type Launch, startChild, startFailure } from "./child.ts";
import { findError } from "./worker-log.ts";
import { CONFIG, PROJECT, wranglerEnvironment } from "./wrangler.ts";

/** What the bundle is made of: where nothing of it has changed, neither has the bundle. */
export const INPUTS = [
  "src/**/*.ts",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "wrangler.toml",
  "scripts/stack/*bundle*.ts",
];
/** Bundles that are kept, the one used last first: of this state of the sources, and of some before or beside it. */
const KEPT = 3;
const SHELF = join(PROJECT, "node_modules", ".cache", "devflow-worker");
const MODULE_TYPES: Record<string, "ESModule" | "CompiledWasm"> = {
  ".js": "ESModule",
  ".wasm": "CompiledWasm",
};

/** The file beside the modules that holds the `Bindings`. */
export const BINDINGS = "bindings.json";

/** What the configuration binds the Worker to, for Miniflare. */
export interface Bindings {
  /** The module that the others are imported by. */
  entry: string;
  options: Record<string, unknown>;
  /** `directory` is relative to the folder of the configuration. */
  assets: ({ directory: string } & Record<string, unknown>) | null;
}

/**
 * The Worker as wrangler bundles it, kept beside the packages: bundling takes a third of a start. Found again by the
 * digest of all that it is made of. The page that it serves is built where its sources changed.
 * @returns the folder of its modules. Errors: `StackFailure` where it cannot be built.
 */
export async function bundledWorker(launch: Launch): Promise<string> {
  const folder = join(SHELF, digestOfInputs());
  if (isKept(folder)) {
    await buildPage({ ifStale: true });
    return folder;
  }
  const draft = `${folder}.${process.pid}`;
  try {
    mkdirSync(draft, { recursive: true });
    await bundleWorker(launch, CONFIG, draft);
    if (!isWhole(folder)) rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another start may have been faster.
    if (!isKept(folder)) throw error;
  }
  clearShelf();
  return folder;
}

/** Bundles the Worker of a configuration into the folder. Errors: `StackFailure`. */
export async function bundleWorker(launch: Launch, config: string, out: string): Promise<void> {
  const child = startChild({
    name: "bundle",
    command: process.execPath,
    args: [join(import.meta.dirname, "bundle-worker.ts"), "--config", config, "--out", out],
    env: wranglerEnvironment(launch.state),
    launch,
    findError,
  });
  // A child that is stopped ends with 0.
  if ((await child.ended) !== 0 || !isWhole(out)) throw startFailure(child, "The Worker could not be built.");
}

/** The bundle for Miniflare. @param config that it was made from. */
export function readBundle(folder: string, config: string): V4WorkerOptions {
  const { entry, options, assets } = JSON.parse(readFileSync(join(folder, BINDINGS), "utf8")) as Bindings;
  const rootPath = dirname(config);
  const names = globSync(["*.js", "*.wasm"], { cwd: folder }).filter((name) => name !== entry);
  return {
    ...options,
    ...(assets === null ? {} : { assets: { ...assets, directory: resolve(rootPath, assets.directory) } }),
    rootPath,
    modulesRoot: folder,
    modules: [entry, ...names].map((name) => {
      const path = join(folder, name);
      const type = MODULE_TYPES[extname(name)] ?? "ESModule";
      return { type, path, contents: readFileSync(path) };
    }),
  };
}

/** The bindings are written last. */
function isWhole(folder: string): boolean {
  return existsSync(join(folder, BINDINGS));
}

function isKept(folder: string): boolean {
  if (!isWhole(folder)) return false;
  try {
    const now = new Date();
    utimesSync(folder, now, now);
    return true;
  } catch {
    return false;
  }
}

function clearShelf(): void {
  const age = (folder: string) => statSync(folder).mtimeMs;
  const folders = globSync("*", { cwd: SHELF }).map((name) => join(SHELF, name));
  for (const folder of folders.sort((a, b) => age(b) - age(a)).slice(KEPT)) {
    rmSync(folder, { recursive: true, force: true });
  }
}

function digestOfInputs(): string {
  const digest = createHash("sha256");
  for (const name of globSync(INPUTS, { cwd: PROJECT }).sort()) {
    digest.update(`${name}\0`).update(readFileSync(join(PROJECT, name)));
  }
  return digest.digest("hex").slice(0, 32);
}
