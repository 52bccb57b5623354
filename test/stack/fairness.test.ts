import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client, type Job } from "../../bench/client.ts";
import { replaySettings, startReplayEmbedder } from "../../bench/replay-embedder.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";

/** Files of the large job; `DEVFLOW_LARGE_JOB=10000` for a long run. */
const LARGE = Number(process.env["DEVFLOW_LARGE_JOB"] ?? 1_500);
/** Files of one upload. */
const AT_ONCE = 1_000;
/** Two seconds where the machine has nothing else to do; 1,500 files take twenty. */
const WITHIN_MS = 10_000;

let folder: string;
let replay: { url: string; stop(): void };
let stack: Stack;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-fairness-"));
  replay = await startReplayEmbedder();
  stack = await startStack({
    stateFolder: join(folder, "state"),
    port: 0,
    settings: {
      ...replaySettings(replay.url),
      RATE_LIMIT_MULTIPLIER: "100000",
      LOG_LEVEL: "error",
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  replay?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function files(folderName: string, count: number) {
  return Array.from({ length: count }, (_, i) => ({
    path: `${folderName}/file${i}.ts`,
    bytes: new TextEncoder().encode(
      Array.from({ length: 60 }, (_, line) => `export const ${folderName}${i}_${line} = ${i * line};`).join(
        "\n",
      ),
    ),
  }));
}

async function otherWorkspace(): Promise<Client> {
  const root = new Client(stack.url, stack.rootKey);
  const { key } = await root.json<{ key: { key: string } }>("POST", "/v1/workspaces", { name: "other" });
  return new Client(stack.url, key.key);
}

/** How many files of the jobs have their outcome. */
async function doneOf(client: Client, jobs: readonly Job[]): Promise<number> {
  const now = await Promise.all(jobs.map(({ id }) => client.json<Job>("GET", `/v1/jobs/${id}`)));
  return now.reduce((sum, job) => sum + job.files.done, 0);
}

describe("a small job beside a large one", () => {
  it(`is searchable within seconds while ${LARGE} files of a workspace are indexed: another's, and its own`, async () => {
    const large = new Client(stack.url, stack.apiKey);
    const other = await otherWorkspace();
    const jobs: Job[] = [];
    const all = files("large", LARGE);
    for (let start = 0; start < LARGE; start += AT_ONCE) {
      const job = await large.upload(all.slice(start, start + AT_ONCE));
      if (job !== null) jobs.push(job);
    }
    // It has begun, and is not over when both small ones are: else this would show nothing.
    while ((await doneOf(large, jobs)) === 0) await setTimeout(100);

    for (const [client, name] of [
      [other, "theirs"],
      [large, "own"],
    ] as const) {
      const began = performance.now();
      const job = await client.upload(files(name, 10));
      expect((await client.finished(job?.id ?? "", WITHIN_MS)).status).toBe("succeeded");
      const { results } = await client.json<{ results: { path: string }[] }>("POST", "/v1/search", {
        query: `${name}3_7`,
        mode: "lexical",
      });
      expect(results[0]?.path).toBe(`${name}/file3.ts`);
      const tookMs = Math.round(performance.now() - began);
      expect(tookMs).toBeLessThan(WITHIN_MS);
      const done = await doneOf(large, jobs);
      console.log(`${name}: ten files took ${tookMs} ms; of the large job's ${LARGE}, ${done} were done`);
      expect(done).toBeLessThan(LARGE);
    }
    for (const { id } of jobs) expect((await large.finished(id)).status).toBe("succeeded");
  });
});
