import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DevFlowClient } from "../../client/client.ts";
import { devflow, observe, uploadAll } from "../../scripts/drill/run.ts";
import { listProcesses, type ProcessEntry } from "../../scripts/stack/processes.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { killAll, leftOf } from "./running.ts";

/** docs/runbook.md, carried out: a store is deleted under a stack that serves, and a command brings back what was there. */
const ROOT = resolve(import.meta.dirname, "../..");
const QUERIES = ["sign a cursor", "glob pattern", "cut a path into segments", "SHA-256 of bytes"];
let folder: string;
let stack: Stack;
let before: Awaited<ReturnType<typeof observe>>;
const running = new Set<Stack>();

async function start(name: string): Promise<Stack> {
  const one = await startStack({ stateFolder: join(folder, name), port: 0 });
  running.add(one);
  return one;
}

/** Processes that name the folder, and what they started. The groups are not asked: this process is in one of them. */
function below(path: string): ProcessEntry[] {
  const all = listProcesses();
  const ours = new Set(all.filter(({ pid, command }) => pid !== process.pid && command.includes(path)));
  for (let size = -1; size !== ours.size; ) {
    size = ours.size;
    const pids = new Set([...ours].map(({ pid }) => pid));
    for (const entry of all) if (pids.has(entry.parent)) ours.add(entry);
  }
  return [...ours];
}

/** As when the power fails: every process at once. */
async function killed(name: string, one: Stack): Promise<void> {
  const processes = below(join(folder, name));
  expect(processes.length).toBeGreaterThan(2);
  killAll(processes);
  expect(await leftOf(processes, 10_000)).toEqual([]);
  await one.stop();
  running.delete(one);
}

const user = (one: Stack) => new DevFlowClient({ url: one.url, key: one.apiKey });
const seen = (one: Stack) => observe(one.url, one.apiKey, QUERIES);
/** The command as a user of the workspace calls it. */
const asUser = (one: Stack, args: string[]) => devflow({ url: one.url, rootKey: one.apiKey }, args);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-recovery-"));
  stack = await start("first");
  const paths = globSync("src/core/*.ts", { cwd: ROOT });
  const files = paths.map((path) => ({ path, content: readFileSync(join(ROOT, path)) }));
  await uploadAll(stack, files);
  before = await seen(stack);
});
afterAll(async () => {
  for (const one of running) await one.stop();
  killAll(below(folder));
  rmSync(folder, { recursive: true, force: true });
});

describe("what the runbook says", () => {
  it("rebuilds all vectors by one command after Chroma's folder was deleted; searches answer meanwhile", async () => {
    rmSync(join(folder, "first", "chroma"), { recursive: true });
    expect((await user(stack).search({ query: "glob pattern", limit: 3 })).results.length).toBeGreaterThan(0);
    // What an open server still remembers goes with it.
    await killed("first", stack);
    stack = await start("first");
    const wordsAlone = await user(stack).search({ query: "glob pattern", limit: 3 });
    expect(wordsAlone.degraded).toEqual(["vector"]);
    expect(wordsAlone.results.length).toBeGreaterThan(0);

    await asUser(stack, ["reindex", "--force"]);
    expect(await seen(stack)).toEqual(before);
    const { chunks, vectors } = await user(stack).stats();
    expect(vectors).toBe(chunks);
  });
});
