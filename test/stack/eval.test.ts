import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../bench/client.ts";
import type { SetReport } from "../../eval/report.ts";
import { startStack } from "../../scripts/stack/start-stack.ts";

const RUN = resolve(import.meta.dirname, "../../eval/run.ts");
const SECONDS = 1000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "devflow-eval-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function evaluate(...args: string[]): Promise<{ output: string; sets: SetReport[] }> {
  const json = join(folder, "report.json");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--no-warnings", RUN, "--cache", join(folder, "cache"), "--json", json, ...args],
    { timeout: 540 * SECONDS, env: { ...process.env, NODE_ENV: undefined } },
  );
  return { output: stdout, sets: (JSON.parse(readFileSync(json, "utf8")) as { sets: SetReport[] }).sets };
}

describe("npm run eval", () => {
  it("finds its way in the project's own sources as well as it did", { timeout: 600 * SECONDS }, async () => {
    const { output, sets } = await evaluate();
    console.log(output);
    const [own] = sets;
    expect(own?.queries).toBeGreaterThan(30);
    expect(Object.keys(own?.systems ?? {})).toContain("sketch hybrid");
    // Some way below what it reaches, so that neither a moved file nor a new one fails it.
    expect(own?.systems["hybrid"]?.["ndcg@10"].mean).toBeGreaterThan(0.6);
    expect(own?.hybrid_over_better_leg).toBeGreaterThan(0.95);
  });

  it("judges a user's own set, and says which line of it is wrong", { timeout: 300 * SECONDS }, async () => {
    const set = join(folder, "mine");
    mkdirSync(join(set, "files/src"), { recursive: true });
    writeFileSync(
      join(set, "files/src/cake.py"),
      "def bake_cake(flour, sugar):\n    return oven(flour + sugar)\n",
    );
    writeFileSync(join(set, "files/src/socket.go"), "func dial(host string) {\n\tnet.Dial(host)\n}\n");
    writeFileSync(join(set, "queries.jsonl"), '{"query": "bake a cake", "relevant": ["src/cake.py"]}\n');
    const { output, sets } = await evaluate("--set", set, "--no-baseline");
    expect(output).toContain("mine: 1 queries over 2 files");
    expect(sets[0]?.systems["hybrid"]?.["mrr@10"]).toEqual({ mean: 1, low: 1, high: 1 });

    writeFileSync(join(set, "queries.jsonl"), '{"query": "bake a cake"}\n');
    await expect(evaluate("--set", set)).rejects.toThrow("queries.jsonl:1");
  });

  it("judges a running server by what its users rated", { timeout: 300 * SECONDS }, async () => {
    const stack = await startStack({ stateFolder: join(folder, "state"), port: 0 });
    try {
      const client = new Client(stack.url, stack.apiKey);
      const bytes = (text: string) => new TextEncoder().encode(text);
      const job = await client.upload([
        {
          path: "src/cake.py",
          bytes: bytes("def bake_cake(flour, sugar):\n    return oven(flour + sugar)\n"),
        },
        { path: "src/socket.go", bytes: bytes("func dial(host string) {\n\tnet.Dial(host)\n}\n") },
      ]);
      await client.finished(job?.id ?? "");
      const query = "something sweet from the oven";
      const { results } = await client.json<{ results: { chunk_id: string; path: string }[] }>(
        "POST",
        "/v1/search",
        { query },
      );
      const cake = results.find(({ path }) => path === "src/cake.py");
      await client.json("POST", "/v1/feedback", { chunk_id: cake?.chunk_id, query, rating: "up" });
      const { sets } = await evaluate("--url", stack.url, "--key", stack.apiKey, "--feedback");
      expect(sets).toMatchObject([{ set: "feedback", queries: 1, files: 2 }]);
      expect(sets[0]?.systems["hybrid"]?.["recall@10"].mean).toBe(1);
    } finally {
      await stack.stop();
    }
  });
});
