import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { StackFailure } from "./failure.ts";
import type { State } from "./state.ts";

/** Longer than a tether gives its command to end by itself. */
const STOP_MS = 8_000;
const POLL_MS = 50;
const PROBE_MS = 5_000;
const LAST_LINES = 15;
/** After its end, for what is still in the pipe. */
const FLUSH_MS = 100;

export interface Child {
  name: string;
  logFile: string;
  /** The end of its output, without colours. */
  lastLines(): readonly string[];
  /** Resolves with the id of the process group that the command leads; null if it could not be started. */
  group: Promise<number | null>;
  /** Resolves when the process has ended, with its exit code. */
  ended: Promise<number | null>;
  stop(): Promise<void>;
}

/** A process that others reach at its address once it is ready. */
export interface Server {
  url: string;
  child: Child;
  /** Rejects with a `StackFailure` where it ends or stays silent. */
  ready: Promise<void>;
}

export interface ChildOptions {
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  launch: Launch;
  /** Picks what a person should see from a line of output; null for everything else. */
  findError?: (line: string) => string | null;
}

/** What all processes of one stack share. */
export interface Launch {
  state: State;
  /** Also copies output to this process's own. */
  verbose: boolean;
  /** Told of each process before anything is awaited, so that a failed start leaves none behind. */
  register(child: Child): void;
  /** Told what `findError` picked. */
  onError?: (sentence: string) => void;
}

/** Starts a tethered process whose output goes to `logs/<name>.log` in the state folder. */
export function startChild(options: ChildOptions): Child {
  const { state, verbose, register, onError } = options.launch;
  const logFile = state.path("logs", `${options.name}.log`);
  const log = createWriteStream(logFile, { flags: "w", mode: 0o600 });
  const tether = spawn(
    process.execPath,
    [join(import.meta.dirname, "tether.ts"), options.command, ...options.args],
    { stdio: ["pipe", "pipe", "pipe", "ipc"], env: { ...process.env, ...options.env } },
  );
  const lines: string[] = [];
  for (const [stream, own] of [
    [tether.stdout, process.stdout],
    [tether.stderr, process.stderr],
  ] as const) {
    if (stream === null) continue;
    stream.on("data", (part: Buffer) => {
      log.write(part);
      if (verbose) own.write(part);
    });
    createInterface(stream).on("line", (coloured) => {
      const line = stripVTControlCharacters(coloured).trimEnd();
      if (line !== "") lines.push(line);
      if (lines.length > LAST_LINES) lines.shift();
      const error = options.findError?.(line) ?? null;
      if (error !== null) onError?.(`${options.name}: ${error}`);
    });
  }
  const ended = new Promise<number | null>((done) => {
    tether.once("exit", (code) => {
      void setTimeout(FLUSH_MS, undefined, { ref: false }).then(() => log.end());
      done(code);
    });
    tether.once("error", () => done(null));
  });
  const group = new Promise<number | null>((done) => {
    tether.once("message", (message) => done((message as { group: number }).group));
    void ended.then(() => done(null));
  });
  tether.stdin?.on("error", () => {}); // It ended first.
  const child: Child = {
    name: options.name,
    logFile,
    lastLines: () => lines,
    group,
    ended,
    async stop() {
      tether.stdin?.end();
      const late = await Promise.race([ended.then(() => false), setTimeout(STOP_MS, true, { ref: false })]);
      if (late) tether.kill("SIGKILL");
      await ended;
    },
  };
  // A tether that is killed cannot end its command any more.
  tether.once("exit", async (_code, signal) => {
    if (signal !== null) endGroup(await group);
  });
  register(child);
  return child;
}

function endGroup(group: number | null): void {
  if (group === null) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // Gone already.
  }
}

export interface Readiness {
  url: string;
  timeoutMs: number;
  /** Why a process that has answered will never be ready; null to go on asking. */
  refuse?: (response: Response) => Promise<string | null>;
  /** What a person can do when the process ends or stays silent. */
  advice?: string;
}

/** Waits until the address answers 2xx. Errors: the child ended or the time passed; the log's end is shown. */
export async function untilReady(child: Child, readiness: Readiness): Promise<void> {
  const { url, timeoutMs, refuse, advice } = readiness;
  const deadline = performance.now() + timeoutMs;
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  while (performance.now() < deadline) {
    if (over) {
      await setTimeout(FLUSH_MS);
      throw startFailure(child, `${child.name} ended while it started.`, advice);
    }
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_MS) }).catch(() => null);
    if (response?.ok) {
      await response.body?.cancel();
      return;
    }
    const refusal = response === null ? null : await refuse?.(response);
    if (refusal) throw new StackFailure(refusal);
    await setTimeout(POLL_MS);
  }
  throw startFailure(child, `${child.name} did not answer at ${url} within ${timeoutMs / 1000} s.`, advice);
}

/** A failure with what a person can do, and the end of the child's log. */
export function startFailure(child: Child, sentence: string, advice = ""): StackFailure {
  const log = [`The end of ${child.logFile}:`, ...child.lastLines().map((line) => `  ${line}`)];
  return new StackFailure([sentence, advice, ...log].filter((line) => line !== "").join("\n"));
}
