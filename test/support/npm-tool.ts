import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

/** Kept between runs, beside what other tools keep. */
const FOLDER = resolve(import.meta.dirname, "../../node_modules/.cache/npm-tools");
const INSTALL_MS = 240_000;
const RUN_MS = 120_000;

export interface Outcome {
  code: number | string;
  stdout: string;
  stderr: string;
}

/**
 * A command of an npm package that only one test wants, and that is too heavy for everybody to install: fetched at one
 * version, without install scripts. Null where the registry does not answer, and `name` is said to be SKIPPED.
 */
export function npmTool(name: string, version: string, command: string) {
  const folder = join(FOLDER, `${name.replaceAll("/", "+")}@${version}`);
  const at = join(folder, "node_modules", name);
  if (!existsSync(join(at, "package.json"))) {
    mkdirSync(folder, { recursive: true });
    try {
      const npm = ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"];
      execFileSync("npm", [...npm, `${name}@${version}`], {
        timeout: INSTALL_MS,
        stdio: ["ignore", "ignore", "pipe"],
        // Not as a part of the project whose test runs it.
        cwd: folder,
      });
    } catch (error) {
      console.warn(`SKIPPED: ${name}@${version} could not be installed: ${(error as Error).message}`);
      return null;
    }
  }
  const { bin } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as {
    bin: Record<string, string>;
  };
  const script = join(at, bin[command] ?? "");
  /** Runs it by this Node; `home` is where it may keep what it likes to keep. */
  return async (args: readonly string[], home: string): Promise<Outcome> => {
    const options = { timeout: RUN_MS, cwd: home, env: { ...process.env, HOME: home, NODE_ENV: undefined } };
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...args], options);
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as Partial<Outcome>;
      if (code === undefined || stdout === undefined || stderr === undefined) throw error;
      return { code, stdout, stderr };
    }
  };
}
