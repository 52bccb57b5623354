import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { StackFailure } from "./failure.ts";
import type { State } from "./state.ts";

interface Running {
  pid: number;
  children: number[];
}

/**
 * One stack for each state folder. A lock whose process is gone is taken over, and tethered processes that it
 * left (only after `kill -9` of everything at once) are ended, if they are what the lock says they are.
 * Errors: another stack runs on the folder.
 */
export function takeLock(state: State): Lock {
  const file = state.path("stack.lock");
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, children: [] }), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const running = read(file);
    if (running !== null && running.pid !== process.pid && isOurs(running.pid, "node")) {
      const url = state.readJson<{ url?: string }>("local.json")?.url;
      throw new StackFailure(
        `A stack already runs on ${state.root} (process ${running.pid}${url ? `, ${url}` : ""}). ` +
          "End it with CTRL-C, or set DEVFLOW_STATE to another folder for a second one.",
      );
    }
    for (const pid of running?.children ?? []) if (isOurs(pid, "tether.ts")) process.kill(pid, "SIGTERM");
    writeFileSync(file, JSON.stringify({ pid: process.pid, children: [] }), { mode: 0o600 });
  }
  return {
    remember: (children) =>
      writeFileSync(file, JSON.stringify({ pid: process.pid, children }), { mode: 0o600 }),
    release: () => rmSync(file, { force: true }),
  };
}

export interface Lock {
  remember(children: number[]): void;
  release(): void;
}

function read(file: string): Running | null {
  try {
    const { pid, children } = JSON.parse(readFileSync(file, "utf8")) as Running;
    return { pid, children };
  } catch {
    return null;
  }
}

/** Whether the process runs and its command line holds the word: process ids are used again. */
function isOurs(pid: number, word: string): boolean {
  try {
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).includes(word);
  } catch {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word);
    } catch {
      return false;
    }
  }
}
