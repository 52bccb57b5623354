import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Client } from "../../bench/client.ts";
import { replaySettings, startReplayEmbedder } from "../../bench/replay-embedder.ts";
import { indexOwnSource } from "../../scripts/stack/first-index.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";

let folder: string;
let replay: { url: string; stop(): void };
let stack: Stack;
const ending = new AbortController();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-first-index-"));
  replay = await startReplayEmbedder();
  stack = await startStack({
    stateFolder: join(folder, "state"),
    port: 0,
    settings: { ...replaySettings(replay.url), LOG_LEVEL: "error" },
  });
}, 180_000);
afterAll(async () => {
  ending.abort();
  await stack?.stop();
  replay?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("the index of the project's own source", () => {
  it("goes on behind a start that does not wait for all of it, and says when it is whole", async () => {
    const said: string[] = [];
    const spy = vi.spyOn(console, "log").mockImplementation((line) => void said.push(String(line)));
    try {
      await indexOwnSource(stack, 0, ending.signal);
      expect(said.join("\n")).toMatch(/The rest of it is indexed while you work/);
      expect(stack.state.readJson("first-index.json")).toMatchObject({ status: "started" });
      await expect
        .poll(() => said.at(-1), { timeout: 120_000 })
        .toMatch(/own source is indexed: \d+ files, \d+ chunks/);
      expect(stack.state.readJson("first-index.json")).toMatchObject({ status: "done" });

      const [, files] = /indexed: (\d+) files/.exec(said.at(-1) ?? "") ?? [];
      const { index } = await new Client(stack.url, stack.apiKey).json<{
        index: { files: number; pending_files: number };
      }>("POST", "/v1/search", { query: "path", mode: "lexical" });
      expect([index.files, index.pending_files]).toEqual([Number(files), 0]);

      // Once is enough.
      said.length = 0;
      await indexOwnSource(stack, 0, ending.signal);
      expect(said).toEqual([]);
    } finally {
      spy.mockRestore();
    }
  }, 180_000);
});
