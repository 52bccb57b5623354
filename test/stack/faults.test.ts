import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client, type Job } from "../../bench/client.ts";
import { replaySettings, startReplayEmbedder } from "../../bench/replay-embedder.ts";
import type { Server } from "../../scripts/stack/child.ts";
import { startChroma } from "../../scripts/stack/chroma.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { openState } from "../../scripts/stack/state.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { readDerived, violations } from "../support/invariants.ts";
import { killWorker } from "./running.ts";

/** Kills of the Worker while it indexes 500 files. */
const KILLS = Number(process.env["DEVFLOW_KILLS"] ?? 20);
const FILES = 500;
/** A kill comes at a random moment up to so long after the Worker has begun. */
const KILL_WITHIN_MS = 2_500;
/** What the kills' moments are drawn from; another one with `DEVFLOW_SEED`. */
const SEED = Number(process.env["DEVFLOW_SEED"] ?? 20_261_124);
const FAULTS: readonly Fault[] = ["down", "error", "limited", "hang", "cut", "half"];

let folder: string;
let chroma: Server;
let stores: FaultProxy;
let embedder: FaultProxy;
let replay: { url: string; stop(): void };
let stack: Stack;
/** What was accepted last of each path, over all workspaces: each has a folder of its own. */
const contents = new Map<string, string>();

const stateFolder = () => join(folder, "worker");

/** @param timeoutMs of a call to an upstream: short where one hangs, long where the machine may be slow. */
async function start(timeoutMs = 15_000): Promise<Stack> {
  return startStack({
    stateFolder: stateFolder(),
    port: 0,
    settings: {
      CHROMA_URL: stores.url,
      ...replaySettings(`${embedder.url}/v1`),
      UPSTREAM_TIMEOUT_MS: String(timeoutMs),
      UPSTREAM_RETRIES: "1",
      RATE_LIMIT_MULTIPLIER: "100000",
      LOG_LEVEL: "error",
    },
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-faults-"));
  const launch = { state: openState(join(folder, "chroma")), verbose: false, register: () => {} };
  [replay, chroma] = await Promise.all([startReplayEmbedder(), startChroma(launch)]);
  await chroma.ready;
  stores = await startFaultProxy(chroma.url);
  embedder = await startFaultProxy(new URL(replay.url).origin);
  stack = await start(2_000);
});
afterAll(async () => {
  await stack?.stop();
  await chroma?.child.stop();
  for (const one of [stores, embedder, replay]) one?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const main = () => new Client(stack.url, stack.apiKey);

/** A file of two chunks or three, of which each version changes one. */
function fileOf(path: string, version: string): string {
  const block = (name: string) =>
    Array.from(
      { length: 12 },
      (_, i) => `export const ${name}${i} = compute(${JSON.stringify(`${path} ${name}`)});`,
    );
  return [
    ...block("steady"),
    "",
    `export const version = ${JSON.stringify(`${path} ${version}`)};`,
    "",
    ...block("more"),
    "",
  ].join("\n");
}

async function upload(to: Client, paths: readonly string[], version: string): Promise<Job> {
  const files = paths.map((path) => ({ path, text: fileOf(path, version) }));
  const job = await to.upload(
    files.map(({ path, text }) => ({ path, bytes: new TextEncoder().encode(text) })),
  );
  for (const { path, text } of files) contents.set(path, text);
  if (job === null) throw new Error("an upload of changed files made no job");
  return job;
}

const pathsOf = (root: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${root}/part${i % 7}/file${i}.ts`);

async function cron(query = ""): Promise<void> {
  await (await fetch(`${stack.url}/cdn-cgi/local/scheduled${query}`)).text();
}

/** Waits until every job of the workspace is over. */
async function settled(of: Client): Promise<void> {
  const deadline = performance.now() + 240_000;
  for (;;) {
    const open = await openJobs(of);
    if (open.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(`these did not come to an end: ${JSON.stringify(open)}`);
    await setTimeout(200);
  }
}

async function openJobs(of: Client): Promise<Job[]> {
  const { items } = await of.json<{ items: Job[] }>("GET", "/v1/jobs?limit=100");
  return items.filter(({ status }) => ["queued", "running"].includes(status));
}

async function newClient(name: string): Promise<{ id: string; client: Client }> {
  const root = new Client(stack.url, stack.rootKey);
  const { id, key } = await root.json<{ id: string; key: { key: string } }>("POST", "/v1/workspaces", {
    name,
  });
  return { id, client: new Client(stack.url, key.key) };
}

/** Of the collection that holds the workspace's vectors: what requests to Chroma name it by. */
async function collectionOf(workspaceId: string): Promise<string> {
  const base = `${chroma.url}/api/v2/tenants/default_tenant/databases/default_database/collections`;
  const all = (await (await fetch(`${base}?limit=1000`)).json()) as { id: string; name: string }[];
  const found = all.find(({ name }) => name.startsWith(workspaceId));
  if (found === undefined) throw new Error("the workspace has no collection");
  return found.id;
}

/** As if the notes of vectors were an hour old, so that the cron may take them. The Worker must be stopped. */
function ageNotes(): void {
  for (const file of globSync(join(stateFolder(), "cloudflare/v3/do/*WorkspaceIndex/*.sqlite"))) {
    const database = new DatabaseSync(file);
    const known = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'vector_outbox'").get();
    if (known !== undefined) database.exec("UPDATE vector_outbox SET at = at - 3600000");
    database.close();
  }
}

describe("indexing while an upstream fails", () => {
  const cases = FAULTS.flatMap((fault) => [
    { fault, upstream: "chroma" },
    { fault, upstream: "embedder" },
  ]);

  // Side by side, each in a workspace of its own: one after the other they would take a minute longer.
  it(`ends with the last content: ${cases.map(({ fault, upstream }) => `${upstream} ${fault}`).join(", ")}`, async () => {
    const ended = await Promise.all(
      cases.map(async ({ fault, upstream }) => {
        const name = `${upstream}${fault}`;
        const { id, client } = await newClient(name);
        const paths = pathsOf(name, 12);
        await client.finished((await upload(client, paths, "before")).id);
        const proxy = upstream === "chroma" ? stores : embedder;
        const mark = upstream === "chroma" ? await collectionOf(id) : name;
        proxy.faults.set(mark, fault);
        const job = await upload(client, paths, "after");
        // Until the Worker's own attempts are spent and the queue has to deliver again.
        let error: string | null = null;
        for (let look = 0; error === null && look < 200; look++) {
          await setTimeout(150);
          error = (await client.json<{ error: string | null }>("GET", `/v1/jobs/${job.id}`)).error;
        }
        proxy.faults.delete(mark);
        const { status } = await client.finished(job.id, 120_000);
        return { name, met: (proxy.met.get(mark) ?? 0) > 1, told: error !== null, status };
      }),
    );
    for (const one of ended) expect(one).toMatchObject({ met: true, told: true, status: "succeeded" });
    expect(violations(await readDerived(stateFolder(), chroma.url), contents)).toEqual([]);
  });

  it("ends with the last content where versions come faster than they are indexed, delivered twice and late", async () => {
    const paths = pathsOf("hasty", 100);
    for (let version = 0; version < 4; version++) {
      await upload(main(), paths, `version ${version}`);
      // Each sends the messages of all that is open again, older versions beside newer ones.
      await Promise.all([cron("?cron=@start"), cron("?cron=@start")]);
    }
    await settled(main());
    expect(violations(await readDerived(stateFolder(), chroma.url), contents)).toEqual([]);
  });
});

describe("a Worker that is killed", () => {
  it(
    `ends with the last content after ${KILLS} kills at random moments, and leaves no vector behind`,
    async () => {
      let state = SEED;
      const random = () => {
        // Park and Miller's minimal standard generator.
        state = (state * 48_271) % 2_147_483_647;
        return state / 2_147_483_647;
      };
      const paths = pathsOf("killed", FILES);
      let versions = 0;
      const moments: number[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        if ((await openJobs(main())).length === 0) await upload(main(), paths, `version ${++versions}`);
        const moment = Math.round(random() * KILL_WITHIN_MS);
        moments.push(moment);
        await setTimeout(moment);
        killWorker(stateFolder());
        await stack.stop();
        stack = await start();
        // What the local stack does when it starts: its queues live in memory.
        void cron("?cron=@start").catch(() => {});
      }
      await settled(main());
      await stack.stop();
      const rest = await readDerived(stateFolder(), chroma.url);
      console.log(
        `seed ${SEED}: killed after ${moments.join(", ")} ms over ${versions} versions of ${FILES} files; ` +
          `${rest.vectors.size} vectors, ${rest.unsettled} noted for a clean-up`,
      );
      ageNotes();
      stack = await start();
      await cron();
      const mended = await readDerived(stateFolder(), chroma.url);
      expect(violations(mended, contents)).toEqual([]);
      expect(mended.unsettled).toBe(0);
    },
    120_000 + KILLS * 60_000,
  );

  it("finds an unchanged tree unchanged: no embedding, no write of a vector", async () => {
    for (const proxy of [stores, embedder]) proxy.requests.clear();
    const files = [...contents]
      .filter(([path]) => path.startsWith("killed/"))
      .map(([path, text]) => ({ path, bytes: new TextEncoder().encode(text) }));
    expect(files).toHaveLength(FILES);
    expect(await main().upload(files)).toBeNull();
    expect(await main().json("POST", "/v1/index", { force: false })).toEqual({ job: null });
    expect([embedder.requests.get("embeddings"), stores.requests.get("upsert")]).toEqual([
      undefined,
      undefined,
    ]);
  });
});
