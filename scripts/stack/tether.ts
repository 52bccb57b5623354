import { spawn } from "node:child_process";
import { setTimeout } from "node:timers/promises";

/**
 * Runs a command that may not outlive its parent: `node tether.ts COMMAND [ARG…]`, with standard input a pipe from
 * the parent. When the pipe ends, which the system sees to even after `kill -9`, the command's whole process group
 * is ended, grandchildren (workerd under Miniflare) included. CTRL-C is left to the parent, which ends its children
 * in order. A parent that opened an IPC channel is told the group's id.
 */
const GRACE_MS = 5_000;
/** For the kernel, to end what was killed: until then it may hold locks that the next start meets. */
const GONE_MS = 2_000;
const POLL_MS = 5;

const [command, ...args] = process.argv.slice(2);
if (command === undefined) throw new Error("usage: tether COMMAND [ARG…]");

const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], detached: true });
let ending = false;

function signalGroup(signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

function groupLives(): boolean {
  try {
    return child.pid !== undefined && process.kill(-child.pid, 0);
  } catch {
    return false;
  }
}

function end(): void {
  if (ending) return;
  ending = true;
  signalGroup("SIGTERM");
  void setTimeout(GRACE_MS, undefined, { ref: false }).then(() => signalGroup("SIGKILL"));
}

process.on("SIGINT", () => {});
process.on("SIGTERM", end);
process.on("SIGHUP", end);
process.stdin.on("end", end);
process.stdin.on("error", end);
process.stdin.resume();
if (child.pid !== undefined) process.send?.({ group: child.pid }, () => process.disconnect());

child.on("error", (error) => {
  console.error(`${command}: ${error.message}`);
  process.exit(127);
});
child.on("exit", async (code) => {
  signalGroup("SIGKILL");
  for (let waited = 0; groupLives() && waited < GONE_MS; waited += POLL_MS) await setTimeout(POLL_MS);
  process.exit(code ?? (ending ? 0 : 1));
});
