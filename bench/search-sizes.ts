import { join } from "node:path";
import type { Child } from "../scripts/stack/child.ts";
import { startEmbedder } from "../scripts/stack/embedder.ts";
import { startStack } from "../scripts/stack/start-stack.ts";
import { openState } from "../scripts/stack/state.ts";
import { Client } from "./client.ts";
import { percentile, type Row } from "./figures.ts";
import { replaySettings, startReplayEmbedder } from "./replay-embedder.ts";
import { measureSearch } from "./search-latency.ts";
import { type SourceFile, zodSources } from "./sources.ts";

const AT_ONCE = 50;
const LEXICAL_GOAL_MS = 20;

/** Chunks that one copy of the sources makes, at the least: a copy's number is above that of every earlier one. */
const FEWEST_OF_COPY = 8000;

/**
 * Search over so many chunks. What fills the index is embedded by replay (a model would take an hour), and what is
 * asked by the real model, both here and in the reference.
 * @param kept folder of an index that stays for the next run, and is filled no further than it has to be; null for one
 *   of this run alone.
 */
export async function measureSearchSizes(
  folder: string,
  relay: string,
  sizes: readonly number[],
  queries: readonly string[],
  settings: Record<string, string>,
  kept: string | null = null,
): Promise<Row[]> {
  const children: Child[] = [];
  const state = openState(join(folder, "embedder"));
  const launch = { state, verbose: false, register: (child: Child) => children.push(child) };
  const embedder = await startEmbedder(launch);
  await embedder.ready;
  const replay = await startReplayEmbedder({ queriesTo: embedder.url });
  const stack = await startStack({
    stateFolder: kept ?? join(folder, "sizes"),
    port: 0,
    settings: {
      ...settings,
      ...replaySettings(replay.url),
      EMBEDDING_MODEL: "all-MiniLM-L6-v2",
    },
  });
  try {
    const client = new Client(stack.url, stack.apiKey);
    const rows: Row[] = [];
    let { chunks } = await client.json<{ chunks: number }>("GET", "/v1/stats");
    let copy = Math.ceil(chunks / FEWEST_OF_COPY);
    for (const size of sizes) {
      while (chunks < size) {
        const job = await client.upload(variant(copy++, size - chunks), `copy${copy}`);
        if (job !== null) await client.finished(job.id);
        chunks = (await client.json<{ chunks: number }>("GET", "/v1/stats")).chunks;
        console.log(`${chunks} chunks …`);
      }
      const target = { ...stack, embeddingsUrl: replay.url };
      const label = chunks.toLocaleString("en");
      const asked = queries.map((query) => `${query} (${label})`);
      const { rows: found, lexicalMs } = await measureSearch(target, relay, asked, `${label} chunks`);
      rows.push(...found, {
        what: `lexical leg p50, ${label} chunks`,
        ours: `${percentile(lexicalMs, 0.5).toFixed(1)} ms`,
        reference: `${LEXICAL_GOAL_MS} ms`,
        ratio: percentile(lexicalMs, 0.5) / LEXICAL_GOAL_MS,
        goal: { atMost: 1 },
      });
      if (size === sizes.at(-1)) rows.push(await atOnce(client, `${label} chunks`, queries));
    }
    return rows;
  } finally {
    await stack.stop();
    replay.stop();
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** So many searches side by side: what counts is that none fails; some may be answered by words alone. */
async function atOnce(client: Client, what: string, queries: readonly string[]): Promise<Row> {
  const times: number[] = [];
  let errors = 0;
  let degraded = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, i) => {
      const started = performance.now();
      const body = { query: `${queries[i % queries.length]} at once ${i}`, limit: 10 };
      const answer = await client.json<{ degraded?: string[] }>("POST", "/v1/search", body).catch(() => null);
      if (answer === null) errors++;
      else if (answer.degraded !== undefined) degraded++;
      times.push(performance.now() - started);
    }),
  );
  return {
    what: `${AT_ONCE} searches at once, ${what}: p95, errors`,
    ours: `${percentile(times, 0.95).toFixed(0)} ms`,
    reference: `${errors} of ${AT_ONCE} failed, ${degraded} answered by words alone`,
    ratio: errors,
    goal: { atMost: 0 },
  };
}

/** The sources with other names, so that no text repeats; for small wants only some of them. */
function variant(copy: number, chunksWanted: number): SourceFile[] {
  const share = Math.min(1, chunksWanted / 8000);
  const files = zodSources();
  return files.slice(0, Math.max(4, Math.ceil(files.length * share))).map(({ path, bytes }) => ({
    path,
    bytes: new TextEncoder().encode(
      new TextDecoder()
        .decode(bytes)
        .replaceAll(/\bconst\b/g, `const /* ${copy} */`)
        .replaceAll("zod", `zod${copy}`),
    ),
  }));
}
