import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { spawn as spawnInTerminal } from "@lydell/node-pty";

const DEVFLOW = resolve(import.meta.dirname, "../../cli/devflow.js");
const LONGEST_MS = 120_000;

export type Environment = Record<string, string | undefined>;

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Without what the machine that runs the tests would decide: colours, CI. */
function environment(env: Environment): Record<string, string> {
  const { CI: _c, NO_COLOR: _n, FORCE_COLOR: _f, ...rest } = process.env;
  const merged = { ...rest, NODE_NO_WARNINGS: "1", ...env };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
}

/** Runs `devflow` with pipes, as a script does. */
export function piped(args: readonly string[], env: Environment, input = "", cwd?: string): Promise<Ended> {
  const child = spawn(process.execPath, [DEVFLOW, ...args], { env: environment(env), cwd });
  const read = { stdout: "", stderr: "" };
  child.stdout.on("data", (part) => {
    read.stdout += part;
  });
  child.stderr.on("data", (part) => {
    read.stderr += part;
  });
  // Who does not read its input ends before it is written.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const timer = setTimeout(() => child.kill("SIGKILL"), LONGEST_MS);
  return new Promise((done) =>
    child.on("close", (code) => {
      clearTimeout(timer);
      done({ code: code ?? -1, ...read });
    }),
  );
}

/** `devflow` in a pseudo-terminal: what is shown, what is typed. */
export class Terminal {
  shown = "";
  readonly ended: Promise<number>;
  readonly #pty: ReturnType<typeof spawnInTerminal>;

  constructor(args: readonly string[], env: Environment, cwd = process.cwd()) {
    this.#pty = spawnInTerminal(process.execPath, [DEVFLOW, ...args], {
      name: "xterm-256color",
      cols: 140,
      rows: 40,
      cwd,
      env: environment({ TERM: "xterm-256color", ...env }),
    });
    this.#pty.onData((part) => {
      this.shown += part;
    });
    const timer = setTimeout(() => this.#pty.kill("SIGKILL"), LONGEST_MS);
    this.ended = new Promise((done) =>
      this.#pty.onExit(({ exitCode }) => {
        clearTimeout(timer);
        done(exitCode);
      }),
    );
  }

  /** Waits until it shows it. */
  async shows(pattern: RegExp): Promise<void> {
    const until = Date.now() + LONGEST_MS;
    while (!pattern.test(this.shown)) {
      if (Date.now() > until) throw new Error(`never showed ${pattern}:\n${this.shown}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  type(text: string): void {
    this.#pty.write(text);
  }
}

export const CTRL_C = "\u0003";
export const ENTER = "\r";
