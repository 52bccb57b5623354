import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { StackFailure } from "./failure.ts";
import type { State } from "./state.ts";

const STOP_MS = 8_000;
const POLL_MS = 50;

export interface Child {
  name: string;
  pid: number;
  logFile: string;
  /** Resolves when the process has ended, with its exit code. */
  ended: Promise<number | null>;
  stop(): Promise<void>;
}

export interface ChildOptions {
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  launch: Launch;
}

/** What all processes of one stack share. */
export interface Launch {
  state: State;
  /** Also copies output to this process's own. */
  verbose: boolean;
  /** Told of each process before anything is awaited, so that a failed start leaves none behind. */
  register(child: Child): void;
}

/** Starts a tethered process whose output goes to `logs/<name>.log` in the state folder. */
export function startChild(options: ChildOptions): Child {
  const { state, verbose, register } = options.launch;
  const logFile = state.path("logs", `${options.name}.log`);
  const log = createWriteStream(logFile, { flags: "w", mode: 0o600 });
  const child: ChildProcess = spawn(
    process.execPath,
    [join(import.meta.dirname, "tether.ts"), options.command, ...options.args],
    { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...options.env } },
  );
  for (const [stream, own] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    stream?.on("data", (part: Buffer) => {
      log.write(part);
      if (verbose) own.write(part);
    });
  }
  const ended = new Promise<number | null>((done) => {
    child.once("exit", (code) => {
      log.end();
      done(code);
    });
  });
  const started: Child = {
    name: options.name,
    pid: child.pid ?? 0,
    logFile,
    ended,
    async stop() {
      child.stdin?.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
  register(started);
  return started;
}

/** Waits until the address answers 200. Errors: the child ended or `timeoutMs` passed; the log's end is shown. */
export async function answers(child: Child, url: string, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  while (Date.now() < deadline) {
    if (over) throw new StackFailure(`${child.name} ended while it started.\n${lastLines(child.logFile)}`);
    const ok = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  throw new StackFailure(
    `${child.name} did not answer at ${url} within ${timeoutMs / 1000} s.\n${lastLines(child.logFile)}`,
  );
}

function lastLines(file: string): string {
  try {
    return `The end of ${file}:\n${readFileSync(file, "utf8").trimEnd().split("\n").slice(-15).join("\n")}`;
  } catch {
    return `Nothing was logged to ${file}.`;
  }
}
