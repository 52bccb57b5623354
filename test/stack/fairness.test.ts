import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client, type Job } from "../../bench/client.ts";
import { startReplayEmbedder } from "../../bench/replay-embedder.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";

/** Files of the large job; `DEVFLOW_LARGE_JOB=10000` for a long run. */
const LARGE = Number(process.env["DEVFLOW_LARGE_JOB"] ?? 3_000);
const AT_ONCE = 1_000;
/** Alone, ten files take a second or two; here they share two cores with the large job. */
const WITHIN_MS = 20_000;

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
      OPENAI_BASE_URL: replay.url,
      OPENAI_API_KEY: "replay",
      EMBEDDING_MODEL: "replay",
      EMBEDDING_DIMENSIONS: "384",
      EMBEDDING_MAX_TOKENS: "256",
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
    const took: number[] = [];
    for (const [client, name] of [
      [other, "theirs"],
      [large, "own"],
    ] as const) {
      const began = performance.now();
      const job = await client.upload(files(name, 10));
      expect((await client.finished(job?.id ?? "", WITHIN_MS)).status).toBe("succeeded");
      took.push(performance.now() - began);
      const { results } = await client.json<{ results: { path: string }[] }>("POST", "/v1/search", {
        query: `${name}3_7`,
        mode: "lexical",
      });
      expect(results[0]?.path).toBe(`${name}/file3.ts`);
    }
    const last = await large.json<Job>("GET", `/v1/jobs/${jobs.at(-1)?.id}`);
    console.log(
      `small jobs took ${took.map(Math.round).join(" and ")} ms; the large one had ${last.files.done} done`,
    );
    // The large job was under way all the time, or this shows nothing.
    expect(last.status).toMatch(/queued|running/);
    for (const { id } of jobs) expect((await large.finished(id)).status).toBe("succeeded");
  });
});
