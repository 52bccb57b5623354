import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DevFlowClient } from "../../client/client.ts";
import { devflow, observe, uploadAll } from "../../scripts/drill/run.ts";
import { listProcesses, type ProcessEntry } from "../../scripts/stack/processes.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { carryOut, commandsOf } from "./runbook.ts";
import { killAll, leftOf } from "./running.ts";

/** docs/runbook.md, carried out: a store is deleted under a stack that serves, and a command brings back what was there. */
const ROOT = resolve(import.meta.dirname, "../..");
const QUERIES = ["sign a cursor", "glob pattern", "cut a path into segments", "SHA-256 of bytes"];
let folder: string;
let stack: Stack;
let contents: { path: string; content: Uint8Array<ArrayBuffer> }[];
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
const utf8 = (text: string) => new TextEncoder().encode(text);
async function ended(id: string) {
  for (;;) {
    const job = await user(stack).job(id);
    if (job.finished_at !== null) return job;
    await setTimeout(200);
  }
}
/** The command as a user of the workspace calls it. */
const asUser = (one: Stack, args: string[]) => devflow({ url: one.url, rootKey: one.apiKey }, args);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-recovery-"));
  stack = await start("first");
  const paths = globSync("src/core/*.ts", { cwd: ROOT });
  contents = paths.map((path) => ({ path, content: readFileSync(join(ROOT, path)) }));
  await uploadAll(stack, contents);
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

  it("rebuilds the index object by the command of its section, after its file was deleted", async () => {
    const objects = globSync(join(folder, "first/cloudflare/v3/do/*WorkspaceIndex/*.sqlite*"));
    expect(objects.length).toBeGreaterThan(0);
    for (const file of objects) rmSync(file);
    await killed("first", stack);
    stack = await start("first");
    expect((await user(stack).search({ query: "glob pattern", mode: "lexical" })).results).toEqual([]);

    const [asked] = await carryOut(stack, commandsOf("A workspace's index is lost, or in doubt"));
    const job = await ended(JSON.parse(asked ?? "").job.id);
    expect(job.receipt).toMatchObject({ lost_chunks: before.chunks });
    expect(await seen(stack)).toEqual(before);
  });

  it("goes back to an earlier D1 by the commands of its section, after D1 was deleted", async () => {
    const database = join(folder, "first/cloudflare/v3/d1");
    await killed("first", stack);
    // As Cloudflare keeps it: the database as it was before the changes that follow.
    cpSync(database, join(folder, "earlier"), { recursive: true });
    stack = await start("first");
    const changed = contents
      .slice(0, 3)
      .map(({ path }) => ({ path, content: utf8(`// changed\n// ${path}\n`) }));
    const added = { path: "src/added.ts", content: utf8("export const addedLater = 1;\n") };
    await uploadAll(stack, [...changed, added]);
    await user(stack).deleteFiles({ path: contents[3]?.path ?? "" });
    const last = await seen(stack);

    rmSync(database, { recursive: true });
    await killed("first", stack);
    cpSync(join(folder, "earlier"), database, { recursive: true });
    stack = await start("first");
    const [back = "", ...rest] = commandsOf("D1 is lost, or was damaged");
    expect(back).toMatch(/time-travel restore/);
    const printed = await carryOut(stack, rest);
    await ended(JSON.parse(printed.at(-1) ?? "").job.id);
    // What the section leaves to people: later uploads and deletions are made again.
    await uploadAll(stack, [...changed, added]);
    await user(stack).deleteFiles({ path: contents[3]?.path ?? "" });
    expect(await seen(stack)).toEqual(last);
    const { chunks, vectors } = await user(stack).stats();
    expect(vectors).toBe(chunks);
  });
});
