import { createHash } from "node:crypto";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { replaySettings, startReplayEmbedder } from "../../bench/replay-embedder.ts";
import { DevFlowClient } from "../../client/client.ts";
import { devflow, uploadAll } from "../../scripts/drill/run.ts";
import type { Child } from "../../scripts/stack/child.ts";
import { startChroma } from "../../scripts/stack/chroma.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { openState } from "../../scripts/stack/state.ts";
import { mapBounded } from "../../src/core/bounded.ts";
import { readDerived, violations } from "../support/invariants.ts";
import { killWorker } from "./running.ts";

/** Five pages of files, each a part of its own. */
const FILES = 250;
const SEEN_EVERY_MS = 5;
const READERS = 8;
/** On a busy machine, too. */
const LATEST_MS = 90_000;
const TEST_MS = 300_000;

let folder: string;
let embedder: Awaited<ReturnType<typeof startReplayEmbedder>>;
let settings: Record<string, string>;
const contents = new Map<string, string>();
const chromas = new Map<string, { url: string; child: Child }>();
const running = new Set<Stack>();

const stateOf = (name: string) => join(folder, name);

async function start(name: string): Promise<Stack> {
  const chroma = chromas.get(name) ?? (await chromaOf(name));
  const own: Record<string, string> = name === "restored" ? { RESTORE_ENABLED: "true" } : {};
  const one = await startStack({
    stateFolder: stateOf(name),
    port: 0,
    settings: { ...settings, ...own, CHROMA_URL: chroma.url },
  });
  running.add(one);
  return one;
}

async function chromaOf(name: string): Promise<{ url: string; child: Child }> {
  const state = openState(join(folder, `${name}-chroma`));
  const chroma = await startChroma({ state, verbose: false, register: () => {} });
  chromas.set(name, chroma);
  return chroma;
}

/** The Worker is killed, another takes its place, and is told to go on as `npm start` tells it. */
async function killed(name: string, stack: Stack): Promise<Stack> {
  killWorker(stateOf(name));
  await stack.stop();
  running.delete(stack);
  return await start(name);
}

async function goOn(stack: Stack): Promise<void> {
  await (await fetch(`${stack.url}/cdn-cgi/local/scheduled?cron=@start`)).text();
}

interface Progress {
  status: string;
  parts: number;
}

/** How far the backup or the restore is, by its row in D1's own file. */
function progressOf(name: string, table: "backups" | "restores"): Progress | null {
  for (const file of globSync(join(stateOf(name), "cloudflare/v3/d1/**/*.sqlite"))) {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      const known = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table);
      if (known === undefined) continue;
      return (database.prepare(`SELECT status, parts FROM ${table}`).get() as Progress | undefined) ?? null;
    } finally {
      database.close();
    }
  }
  return null;
}

/** Waits until some parts are done. */
async function inTheMiddle(name: string, table: "backups" | "restores"): Promise<void> {
  const deadline = performance.now() + LATEST_MS;
  for (;;) {
    const now = progressOf(name, table);
    if (now !== null && now.parts >= 2) return;
    if (performance.now() > deadline) throw new Error(`it does not get on: ${JSON.stringify(now)}`);
    await setTimeout(SEEN_EVERY_MS);
  }
}

/** Digests of the bytes that the deployment gives out, by path. */
async function digestsOf(url: string, key: string): Promise<Map<string, string>> {
  const headers = { authorization: `Bearer ${key}` };
  const digests = new Map<string, string>();
  await mapBounded([...contents.keys()], READERS, async (path) => {
    const response = await fetch(`${url}/v1/files/content?path=${encodeURIComponent(path)}`, { headers });
    const bytes = new Uint8Array(await response.arrayBuffer());
    digests.set(path, createHash("sha256").update(bytes).digest("hex"));
  });
  return digests;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-killed-"));
  embedder = await startReplayEmbedder();
  const identity = await generateX25519Identity();
  writeFileSync(join(folder, "identity.txt"), identity, { mode: 0o600 });
  settings = {
    ...replaySettings(embedder.url),
    BACKUP_RECIPIENTS: await identityToRecipient(identity),
    BACKUP_PART_BYTES: "1024",
    RATE_LIMIT_MULTIPLIER: "100000",
    LOG_LEVEL: "error",
  };
  for (let i = 0; i < FILES; i++) {
    contents.set(`folder${i % 7}/file${i}.ts`, `export const value${i} = ${JSON.stringify(`text ${i}`)};\n`);
  }
});
afterAll(async () => {
  for (const one of running) await one.stop();
  for (const { child } of chromas.values()) await child.stop();
  embedder.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a Worker that is killed", () => {
  let archive: string;
  let key: string;
  let digests: Map<string, string>;

  it(
    "in the middle of a backup goes on with it, and ends with all parts",
    async () => {
      let stack = await start("first");
      key = stack.apiKey;
      const files = [...contents].map(([path, text]) => ({ path, content: new TextEncoder().encode(text) }));
      await uploadAll(stack, files);
      digests = await digestsOf(stack.url, key);
      const { job } = await new DevFlowClient({ url: stack.url, key: stack.rootKey }).createBackup();
      await inTheMiddle("first", "backups");
      stack = await killed("first", stack);
      const between = progressOf("first", "backups");
      expect(between).toMatchObject({ status: "running" });

      await goOn(stack);
      const root = new DevFlowClient({ url: stack.url, key: stack.rootKey });
      await expect.poll(async () => (await root.job(job.id)).status, { timeout: 60_000 }).toBe("succeeded");
      const id = String((await root.job(job.id)).receipt?.["backup"]);
      const backup = await root.backup(id);
      expect(backup.parts).toBeGreaterThan(between?.parts ?? 0);
      expect(backup.counts).toMatchObject({ blobs: FILES, vectors: FILES });
      archive = join(folder, `${id}.tar`);
      await devflow(stack, ["backup", "download", id, archive]);
      await stack.stop();
      running.delete(stack);
    },
    TEST_MS,
  );

  it(
    "in the middle of a restore goes on with it, and gives the same bytes, chunks and vectors",
    async () => {
      let stack = await start("restored");
      const command = ["backup", "restore", archive, "--identity", join(folder, "identity.txt")];
      const interrupted = devflow(stack, command, false);
      await inTheMiddle("restored", "restores");
      stack = await killed("restored", stack);
      const between = progressOf("restored", "restores");
      expect(between).toMatchObject({ status: "running" });
      expect((await interrupted).code).not.toBe(0);

      await goOn(stack);
      const restore = (await devflow(stack, command)).stdout.trim();
      expect(progressOf("restored", "restores")?.parts).toBeGreaterThan(between?.parts ?? 0);
      await devflow(stack, ["backup", "enable-keys", restore]);
      expect(await digestsOf(stack.url, key)).toEqual(digests);
      const derived = await readDerived(stateOf("restored"), chromas.get("restored")?.url ?? "");
      expect(violations(derived, contents)).toEqual([]);
    },
    TEST_MS,
  );
});
