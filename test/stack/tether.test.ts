import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { findProcess, listProcesses } from "../../scripts/stack/processes.ts";
import { leftOf } from "./running.ts";

const TETHER = resolve(import.meta.dirname, "../../scripts/stack/tether.ts");

/** A command that starts one of its own, as wrangler starts workerd, tells both ids, and ignores SIGTERM if asked to. */
function family(stubborn: boolean): string[] {
  const trap = stubborn ? "process.on('SIGTERM', () => {});" : "";
  const grandchild = `${trap} setInterval(() => {}, 1000); console.log('grandchild', process.pid);`;
  const child = `${trap} console.log('child', process.pid);
    require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { stdio: 'inherit' });
    setInterval(() => {}, 1000);`;
  return [process.execPath, "-e", child];
}

/** A parent that does nothing but hold the tether's input open. */
function parentOf(command: readonly string[]): ChildProcess {
  const script = `require('node:child_process').spawn(process.execPath, ${JSON.stringify([TETHER, ...command])},
    { stdio: ['pipe', 'inherit', 'inherit'] }); setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
}

async function pidsFrom(parent: ChildProcess): Promise<number[]> {
  const pids: number[] = [];
  if (parent.stdout === null) throw new Error("no output");
  for await (const line of createInterface(parent.stdout)) {
    const pid = /child (\d+)$/.exec(line)?.[1];
    if (pid !== undefined) pids.push(Number(pid));
    if (pids.length === 2) break;
  }
  return pids;
}

let parent: ChildProcess | null = null;
afterEach(() => parent?.kill("SIGKILL"));

describe("tether", () => {
  it.each([
    ["that ends when asked", false],
    ["that ignores SIGTERM", true],
  ])("ends a command %s, and what it started, when the parent is killed", async (_what, stubborn) => {
    parent = parentOf(family(stubborn));
    const pids = await pidsFrom(parent);
    const processes = pids.flatMap((pid) => findProcess(pid) ?? []);
    expect(processes).toHaveLength(2);
    parent.kill("SIGKILL");
    expect(await leftOf(processes, 10_000)).toEqual([]);
  });

  it("ends with the command's exit code", async () => {
    const tether = spawn(process.execPath, [TETHER, process.execPath, "-e", "process.exit(7)"], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    expect((await once(tether, "exit"))[0]).toBe(7);
  });

  it("says so where the command does not exist", async () => {
    const tether = spawn(process.execPath, [TETHER, "/no/such/command"], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    const [code] = await once(tether, "exit");
    expect(code).toBe(127);
  });
});

describe("listProcesses", () => {
  it("tells this process and its start", () => {
    const own = listProcesses().find(({ pid }) => pid === process.pid);
    expect(own).toMatchObject({ parent: process.ppid, command: expect.stringContaining("node") });
    expect(findProcess(process.pid)?.started).toBe(own?.started);
    expect(own?.started).not.toBe("");
  });

  it("knows no process that has ended", async () => {
    const short = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
    await once(short, "exit");
    expect(findProcess(short.pid ?? 0)).toBeUndefined();
  });
});
