import { createHash } from "node:crypto";
import {
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PROJECT } from "./wrangler.ts";

/** What the bundle is made of: where nothing of it has changed, neither has the bundle. */
export const INPUTS = ["src/**/*.ts", "package.json", "package-lock.json", "tsconfig.json", "wrangler.toml"];
/** Bundles that are kept, the one used last first: of this state of the sources, and of some before or beside it. */
const KEPT = 3;
const ENTRY = "index.js";

/** As wrangler hands it on: the Worker in one module, and the modules that it imports, such as grammars. */
export interface Bundle {
  entrypointSource: string;
  modules: { name: string; content: string | Uint8Array }[];
}

/**
 * The Worker as wrangler bundled it, kept beside the packages: bundling takes a third of a start. Found again by the
 * digest of all that it is made of.
 */
export class WorkerBundle {
  readonly folder: string;
  readonly #shelf = join(PROJECT, "node_modules", ".cache", "devflow-worker");

  constructor() {
    this.folder = join(this.#shelf, digestOfInputs());
  }

  /** The entry module, or null where the Worker is to be bundled first. */
  find(): string | null {
    try {
      const now = new Date();
      utimesSync(this.folder, now, now);
      return join(this.folder, ENTRY);
    } catch {
      return null;
    }
  }

  /** Keeps the bundle, whole or not at all. A shelf that cannot be written to costs time, not the start. */
  keep({ entrypointSource, modules }: Bundle): void {
    const draft = `${this.folder}.${process.pid}`;
    try {
      mkdirSync(draft, { recursive: true });
      writeFileSync(join(draft, ENTRY), entrypointSource);
      for (const { name, content } of modules) writeFileSync(join(draft, name), content);
      renameSync(draft, this.folder);
      this.#clear();
    } catch {
      rmSync(draft, { recursive: true, force: true });
    }
  }

  #clear(): void {
    const age = (folder: string) => statSync(folder).mtimeMs;
    const folders = globSync("*", { cwd: this.#shelf }).map((name) => join(this.#shelf, name));
    for (const folder of folders.sort((a, b) => age(b) - age(a)).slice(KEPT)) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function digestOfInputs(): string {
  const digest = createHash("sha256");
  for (const name of globSync(INPUTS, { cwd: PROJECT }).sort()) {
    digest.update(`${name}\0`).update(readFileSync(join(PROJECT, name)));
  }
  return digest.digest("hex").slice(0, 32);
}
