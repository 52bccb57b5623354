import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SetReport } from "../../eval/report.ts";

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
    { timeout: 240 * SECONDS, env: { ...process.env, NODE_ENV: undefined } },
  );
  return { output: stdout, sets: (JSON.parse(readFileSync(json, "utf8")) as { sets: SetReport[] }).sets };
}

describe("npm run eval", () => {
  it("finds its way in the project's own sources as well as it did", { timeout: 300 * SECONDS }, async () => {
    const { output, sets } = await evaluate();
    console.log(output);
    const [own] = sets;
    expect(own?.queries).toBeGreaterThan(30);
    expect(Object.keys(own?.systems ?? {})).toContain("sketch hybrid");
    // Some way below what it reaches, so that neither a moved file nor a new one fails it.
    expect(own?.systems["hybrid"]?.["ndcg@10"].mean).toBeGreaterThan(0.6);
    expect(own?.hybrid_over_better_leg).toBeGreaterThan(0.95);
  });

  it("judges a user's own set, and says which line of it is wrong", { timeout: 120 * SECONDS }, async () => {
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
});
