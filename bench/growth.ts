import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Stack, startStack } from "../scripts/stack/start-stack.ts";
import { Client } from "./client.ts";
import { percentile } from "./figures.ts";
import { type Growth, plot, table } from "./growth-report.ts";
import { replaySettings, startReplayEmbedder } from "./replay-embedder.ts";
import type { SourceFile } from "./sources.ts";

/**
 * `node bench/growth.ts [--sizes 100,1000,10000] [--plot docs/images/growth.svg]`: time to index a tree into an empty
 * workspace, to find it unchanged, and to search it, as it grows. The embedding server replays, so the model's time is
 * in none of them. Prints a table; 10,000 files take minutes.
 */
const { values } = parseArgs({
  options: { sizes: { type: "string", default: "100,1000,10000" }, plot: { type: "string" } },
});
/** Files of one multipart upload. */
const AT_ONCE = 1_000;
const SEARCHES = 30;

const folder = mkdtempSync(join(tmpdir(), "devflow-growth-"));
const replay = await startReplayEmbedder();
const stack = await startStack({
  stateFolder: folder,
  port: 0,
  settings: {
    RATE_LIMIT_MULTIPLIER: "100000",
    LOG_LEVEL: "warning",
    ...replaySettings(replay.url),
  },
});
try {
  const all: Growth[] = [];
  for (const size of values.sizes.split(",").map(Number)) {
    all.push(await measure(stack, size));
    console.log(JSON.stringify(all.at(-1)));
  }
  console.log(`\n${table(all)}`);
  if (values.plot !== undefined) writeFileSync(values.plot, plot(all));
} finally {
  await stack.stop();
  replay.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** In a workspace of its own. */
async function measure({ url, rootKey }: Stack, size: number): Promise<Growth> {
  const root = new Client(url, rootKey);
  const made = await root.json<{ key: { key: string } }>("POST", "/v1/workspaces", { name: `${size} files` });
  const client = new Client(url, made.key.key);
  const files = Array.from({ length: size }, (_, i) => fileOf(i));

  const jobs: string[] = [];
  const indexSeconds = await seconds(async () => {
    for (let start = 0; start < size; start += AT_ONCE) {
      const job = await client.upload(files.slice(start, start + AT_ONCE));
      if (job !== null) jobs.push(job.id);
      // A workspace may have ten jobs running.
      const oldest = jobs.length >= 8 ? jobs.shift() : undefined;
      if (oldest !== undefined) await succeeded(client, oldest);
    }
    for (const id of jobs) await succeeded(client, id);
  });
  const { chunks } = await client.json<{ chunks: number }>("GET", "/v1/stats");

  const entries = files.map(({ path, bytes }) => ({
    path,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    size: bytes.length,
  }));
  let planned = { id: "", upload_count: -1, unchanged: -1 };
  const planSeconds = await seconds(async () => {
    planned = await client.json("POST", "/v1/syncs", { files: entries });
  });
  if (planned.unchanged !== size || planned.upload_count !== 0) throw new Error("the tree is not unchanged");
  const commitSeconds = await seconds(async () => {
    const { job } = await client.json<{ job: unknown }>("POST", `/v1/syncs/${planned.id}/commit`, {
      delete_missing: true,
    });
    if (job !== null) throw new Error("an unchanged tree made a job");
  });
  const repairSeconds = await seconds(async () => {
    const { job } = await client.json<{ job: { id: string } | null }>("POST", "/v1/index", {});
    if (job !== null) await succeeded(client, job.id);
  });

  const searches: number[] = [];
  for (let i = 0; i < SEARCHES; i++) {
    const query = `ledger part ${(i * 37) % size}`;
    searches.push(await seconds(() => client.json("POST", "/v1/search", { query, limit: 10 })));
  }
  return {
    files: size,
    chunks,
    indexSeconds,
    againSeconds: planSeconds + commitSeconds,
    planSeconds,
    repairSeconds,
    searchSeconds: percentile(searches, 0.5),
  };
}

async function succeeded(client: Client, id: string): Promise<void> {
  const { status } = await client.finished(id, 1_800_000);
  if (status !== "succeeded") throw new Error(`a job ended as ${status}`);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** A module as people write them, different from every other. */
function fileOf(i: number): SourceFile {
  const text = `/** Computes the part ${i} of the ledger. */
export function ledgerPart${i}(rows: number[], rate: number): number {
  let total = 0;
  for (const row of rows) total += row * rate + ${i % 97};
  return total;
}
`;
  const path = `src/area${i % 20}/group${i % 300}/part${i}.ts`;
  return { path, bytes: new TextEncoder().encode(text) };
}
