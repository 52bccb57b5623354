import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { StackFailure } from "./failure.ts";
import { findProcess, listProcesses } from "./processes.ts";
import { type State, writePrivately } from "./state.ts";

interface Holder {
  pid: number;
  /** Tells the process from a later one with the same id. */
  started: string;
  /** Process groups that the stack leads. */
  groups: number[];
}

export interface Lock {
  /** Records a process group of this stack, to be ended by the next start if this one cannot. */
  remember(group: number): void;
  release(): void;
}

/** Words of which the command line of each process of ours holds one: group ids are used again. */
const OUR_COMMANDS = ["serve-worker", "serve-sources", "workerd", "esbuild", "chroma", "embedder"];

/**
 * One stack for each state folder. A lock whose process is gone is taken over, and what that process left running
 * is ended. Errors: another stack runs on the folder.
 */
export function takeLock(state: State): Lock {
  const file = state.path("stack.lock");
  let released = false;
  const holder: Holder = { pid: process.pid, started: findProcess(process.pid)?.started ?? "", groups: [] };
  while (!create(file, holder)) {
    const text = readIfThere(file);
    if (text === null) continue; // Released in between.
    const other = parse(text);
    if (other !== null && isAlive(other)) throw alreadyRuns(state, other);
    setAside(file, text);
    if (other !== null) endLeftovers(other);
  }
  return {
    remember(group) {
      if (released) return;
      holder.groups.push(group);
      writePrivately(file, JSON.stringify(holder));
    },
    release() {
      if (!released) rmSync(file, { force: true });
      released = true;
    },
  };
}

/** Whole or not at all: a link fails where the name is taken, and the file behind it is already written. */
function create(file: string, holder: Holder): boolean {
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

/** Removes a dead lock, unless another start has put its own there since it was read. */
function setAside(file: string, expected: string): void {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (readFileSync(aside, "utf8") !== expected) linkSync(aside, file);
  rmSync(aside);
}

function alreadyRuns(state: State, holder: Holder): StackFailure {
  const url = state.readJson<{ url?: string }>("local.json")?.url;
  return new StackFailure(
    `DevFlow already runs on ${state.root}${url ? `, at ${url}` : ""} (process ${holder.pid}). ` +
      "End it with CTRL-C, or set DEVFLOW_STATE to another folder for a second one.",
  );
}

function isAlive(holder: Holder): boolean {
  const running = findProcess(holder.pid);
  return running !== undefined && running.started === holder.started;
}

/** Tethers end their groups when the stack dies; this is for when they were killed with it. */
function endLeftovers({ groups }: Holder): void {
  const own = findProcess(process.pid)?.group;
  const left = listProcesses().filter(
    ({ group, command }) =>
      groups.includes(group) && group !== own && OUR_COMMANDS.some((word) => command.includes(word)),
  );
  for (const group of new Set(left.map(({ group }) => group))) {
    try {
      process.kill(-group, "SIGKILL");
    } catch {
      // Ended in between.
    }
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function parse(text: string): Holder | null {
  try {
    const { pid, started, groups } = JSON.parse(text) as Holder;
    return Number.isInteger(pid) && Array.isArray(groups) ? { pid, started, groups } : null;
  } catch {
    return null;
  }
}
