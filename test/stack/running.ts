import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { listProcesses, type ProcessEntry } from "../../scripts/stack/processes.ts";

const START = resolve(import.meta.dirname, "../../scripts/start.ts");
const POLL_MS = 100;

/** `npm start` without npm: the script in a process of its own, with a state folder of its own. */
export class RunningStart {
  readonly #child: ChildProcess;
  readonly #folder: string;
  #output = "";

  constructor(
    folder: string,
    environment: Record<string, string> = {},
    args: readonly string[] = ["--no-index"],
  ) {
    this.#folder = folder;
    this.#child = spawn(process.execPath, [START, ...args], {
      env: { ...withoutVitest(process.env), DEVFLOW_STATE: folder, API_PORT: "0", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (part: Buffer) => {
        this.#output += part.toString();
      });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get output(): string {
    return this.#output;
  }

  /** Milliseconds until the output matches. Errors: it ended, or did not within `timeoutMs`. */
  async says(pattern: RegExp, timeoutMs = 120_000): Promise<number> {
    const began = performance.now();
    while (!pattern.test(this.#output)) {
      const over = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (over || performance.now() - began > timeoutMs) {
        throw new Error(
          `The start ${over ? "ended" : "is late"} without saying ${pattern}:\n${this.#output}`,
        );
      }
      await setTimeout(POLL_MS);
    }
    return performance.now() - began;
  }

  /** Exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The start and everything under it, whoever its parent is by now. */
  processes(): ProcessEntry[] {
    return processesOf(this.#folder, this.pid);
  }
}

/** Processes below `root`, or in a process group of which a member names the folder. */
export function processesOf(folder: string, root: number): ProcessEntry[] {
  const all = listProcesses().filter(({ pid }) => pid !== process.pid);
  const ours = new Set(all.filter(({ pid, command }) => pid === root || command.includes(folder)));
  for (let size = -1; size !== ours.size; ) {
    size = ours.size;
    const groups = new Set([...ours].map(({ group }) => group));
    const pids = new Set([...ours].map(({ pid }) => pid));
    const own = all.find(({ pid }) => pid === root)?.group;
    for (const entry of all) {
      if (pids.has(entry.parent) || (entry.group !== own && groups.has(entry.group))) ours.add(entry);
    }
  }
  return [...ours];
}

/** What of the processes still runs, after at most `timeoutMs`. */
export async function leftOf(processes: readonly ProcessEntry[], timeoutMs: number): Promise<ProcessEntry[]> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const now = new Set(listProcesses().map(({ pid, started }) => `${pid} ${started}`));
    const left = processes.filter(({ pid, started }) => now.has(`${pid} ${started}`));
    if (left.length === 0 || performance.now() > deadline) return left;
    await setTimeout(POLL_MS);
  }
}

export function killAll(processes: readonly ProcessEntry[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended with another.
    }
  }
}

/** As by `kill -9`: wrangler and workerd of the stack in the folder, which are a process group of their own. */
export function killWorker(stateFolder: string): void {
  const all = listProcesses();
  const leader = all.find(
    ({ pid, group, command }) =>
      pid === group && command.includes("serve-worker.ts") && command.includes(stateFolder),
  );
  if (leader === undefined) throw new Error("the Worker has no process group of its own");
  killAll(all.filter(({ group }) => group === leader.pid));
}

/** vitest's own variables, such as NODE_ENV=test, are none of the stack's business. */
function withoutVitest(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(VITEST|NODE_ENV$|TEST$|npm_)/.test(name)),
  );
}
