import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { replaySettings, startReplayEmbedder } from "../../bench/replay-embedder.ts";
import { DevFlowClient } from "../../client/client.ts";
import { uploadAll } from "../../scripts/drill/run.ts";
import type { Child } from "../../scripts/stack/child.ts";
import { startChroma } from "../../scripts/stack/chroma.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { openState } from "../../scripts/stack/state.ts";
import { type KeyedProxy, startKeyedProxy } from "../support/keyed-proxy.ts";
import { carryOut, commandsOf } from "./runbook.ts";

/** docs/runbook.md, "A provider's key leaked": a stack that starts anew stands for the Worker's new version. */
const OLD = { openai: "sk-old-key-of-the-embeddings", chroma: "ck-old-key-of-the-vectors" };
const NEW = { openai: "sk-new-key-of-the-embeddings", chroma: "ck-new-key-of-the-vectors" };
type Keys = typeof OLD;

let folder: string;
let replay: { url: string; stop(): void };
let chroma: { url: string; child: Child };
let openai: KeyedProxy;
let vectors: KeyedProxy;
let stack: Stack | undefined;

async function serve(keys: Keys): Promise<Stack> {
  await stack?.stop();
  stack = await startStack({
    stateFolder: join(folder, "worker"),
    port: 0,
    settings: {
      ...replaySettings(`${openai.url}/v1`),
      OPENAI_API_KEY: keys.openai,
      CHROMA_URL: vectors.url,
      CHROMA_API_KEY: keys.chroma,
      UPSTREAM_RETRIES: "0",
      RATE_LIMIT_MULTIPLIER: "100000",
      LOG_LEVEL: "error",
    },
  });
  return stack;
}

const fileOf = (name: string) => ({
  path: `src/${name}.ts`,
  content: new TextEncoder().encode(`export const ${name} = "${name}";\n`),
});
const user = (one: Stack) => new DevFlowClient({ url: one.url, key: one.apiKey });

/** What the page has one look at: each provider's state. */
async function checks(one: Stack): Promise<Record<string, { status: string }>> {
  const looks = commandsOf("A provider's key leaked (OpenAI, Chroma Cloud)").filter((line) =>
    line.startsWith("root "),
  );
  expect(looks).toHaveLength(1);
  const [printed] = await carryOut(one, looks);
  return JSON.parse(printed ?? "").checks;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-rotation-"));
  const launch = { state: openState(join(folder, "chroma")), verbose: false, register: () => {} };
  [replay, chroma] = await Promise.all([startReplayEmbedder(), startChroma(launch)]);
  openai = await startKeyedProxy(new URL(replay.url).origin, "authorization", OLD.openai);
  vectors = await startKeyedProxy(chroma.url, "x-chroma-token", OLD.chroma);
});
afterAll(async () => {
  await stack?.stop();
  await chroma.child.stop();
  for (const one of [openai, vectors, replay]) one.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("the keys of OpenAI and of Chroma", () => {
  it("are changed in the page's order, new before old, without one refusal", async () => {
    let one = await serve(OLD);
    await uploadAll(one, [fileOf("before")]);
    for (const [proxy, key] of [
      [openai, NEW.openai],
      [vectors, NEW.chroma],
    ] as const) {
      proxy.accepted.add(key);
    }
    await uploadAll(one, [fileOf("meanwhile")]);
    one = await serve(NEW);
    expect(await checks(one)).toMatchObject({ embedder: { status: "ok" }, chroma: { status: "ok" } });
    openai.accepted.delete(OLD.openai);
    vectors.accepted.delete(OLD.chroma);

    await uploadAll(one, [fileOf("after")]);
    const found = await user(one).search({ query: "after", mode: "semantic" });
    expect(found.results.length).toBeGreaterThan(0);
    expect(found.degraded ?? []).toEqual([]);
    const { chunks, vectors: stored } = await user(one).stats();
    expect([chunks, stored]).toEqual([3, 3]);
    expect([openai.refused, vectors.refused]).toEqual([0, 0]);
    expect(openai.used.get(NEW.openai)).toBeGreaterThan(0);
    expect(vectors.used.get(NEW.chroma)).toBeGreaterThan(0);
  });

  it("are refused where the old ones were taken back first; what waited is indexed with the new ones", async () => {
    let one = stack as Stack;
    openai.accepted = new Set([OLD.openai]);
    vectors.accepted = new Set([OLD.chroma]);
    const { job } = await user(one).uploadFiles([fileOf("waiting")]);
    await expect.poll(() => openai.refused).toBeGreaterThan(0);
    expect((await user(one).search({ query: "before", mode: "hybrid" })).degraded).toEqual(["vector"]);
    one = await serve(OLD);
    await (await fetch(`${one.url}/cdn-cgi/local/scheduled?cron=@start`)).text();
    await expect
      .poll(async () => (await user(one).job(job?.id ?? "")).status, { timeout: 60_000 })
      .toBe("succeeded");
    const { chunks, vectors: stored } = await user(one).stats();
    expect([chunks, stored]).toEqual([4, 4]);
  });
});
