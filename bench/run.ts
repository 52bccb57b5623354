import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "../scripts/stack/start-stack.ts";
import { startStandInChat } from "../test/support/stand-in-chat.ts";
import { measureAsk } from "./ask-stream.ts";
import { Client } from "./client.ts";
import { meets, type Row, table } from "./figures.ts";
import { measureIndexing } from "./index-throughput.ts";
import { startOtherWorker } from "./other-worker.ts";
import { replaySettings, startReplayEmbedder } from "./replay-embedder.ts";
import { measureRate } from "./request-rate.ts";
import { measureSearch } from "./search-latency.ts";
import { measureSearchSizes } from "./search-sizes.ts";
import { zodSources } from "./sources.ts";

/**
 * `npm run bench [-- index search rates ask 1k 10k 100k]`: prints ratios, each measured within this run against a reference on this machine, and exits 1
 * where one misses its goal. Absolute figures depend on the machine; ratios far less.
 */
const SEARCHES = 110;
const ASKED = 45;
const UNLIMITED = { RATE_LIMIT_MULTIPLIER: "100000", LOG_LEVEL: "warning" };

const only = new Set(process.argv.slice(2));
const wanted = (row: string) => only.size === 0 || only.has(row);

/** Filling 100,000 chunks takes minutes: a folder given here keeps them for the next run. */
const keptIndex = process.env["DEVFLOW_BENCH_STATE"] ?? null;
const folder = mkdtempSync(join(tmpdir(), "devflow-bench-"));
const rows: Row[] = [];
/** Only where asked for: filling 100,000 chunks takes minutes. */
const sizes: number[] = [];
try {
  if (wanted("index")) rows.push(await indexing());
  if (wanted("search") || wanted("rates")) rows.push(...(await searchAndRates()));
  for (const [name, chunks] of [
    ["1k", 1_000],
    ["10k", 10_000],
    ["100k", 100_000],
  ] as const) {
    if (only.has(name)) sizes.push(chunks);
  }
  if (sizes.length > 0) {
    const asked = questions().slice(0, 60);
    rows.push(
      ...(await besideRelay((relay) =>
        measureSearchSizes(folder, relay, sizes, asked, UNLIMITED, keptIndex),
      )),
    );
  }
  if (wanted("ask")) rows.push(...(await asking()));
  console.log(`\n${table(rows)}`);
  process.exitCode = rows.every(meets) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function indexing(): Promise<Row> {
  console.log("indexing …");
  const replay = await startReplayEmbedder();
  const stack = await startStack({
    stateFolder: join(folder, "indexing"),
    port: 0,
    settings: {
      ...UNLIMITED,
      ...replaySettings(replay.url),
    },
  });
  try {
    return await measureIndexing(stack, zodSources());
  } finally {
    await stack.stop();
    replay.stop();
  }
}

async function asking(): Promise<Row[]> {
  console.log("asking …");
  const chat = await startStandInChat();
  const settings = { ...UNLIMITED, ...chat.settings };
  const stack = await startStack({ stateFolder: join(folder, "asking"), port: 0, settings });
  try {
    const client = new Client(stack.url, stack.apiKey);
    const files = zodSources().filter(({ path }) => path.startsWith("v4/core/") && !path.includes("/tests/"));
    const job = await client.upload(files);
    if (job !== null) await client.finished(job.id);
    return await measureAsk(stack, chat, questions().slice(0, ASKED));
  } finally {
    await stack.stop();
    await chat.stop();
  }
}

async function searchAndRates(): Promise<Row[]> {
  console.log("searching …");
  const stack = await startStack({ stateFolder: join(folder, "search"), port: 0, settings: UNLIMITED });
  try {
    const client = new Client(stack.url, stack.apiKey);
    const files = zodSources().filter(({ path }) => !path.includes("/tests/") && !path.includes("/locales/"));
    const job = await client.upload(files);
    if (job !== null) await client.finished(job.id);
    const search = wanted("search")
      ? await besideRelay(async (relay) => (await measureSearch(stack, relay, questions())).rows)
      : [];
    if (!wanted("rates")) return search;
    console.log("request rates …");
    return [...search, ...(await rates(stack.url, stack.apiKey))];
  } finally {
    await stack.stop();
  }
}

async function besideRelay(measure: (relay: string) => Promise<Row[]>): Promise<Row[]> {
  const relay = await startOtherWorker("relay", "/health", join(folder, "relay"));
  try {
    return await measure(relay.url);
  } finally {
    relay.stop();
  }
}

/** Distinct questions in the words of the code base; what they find does not matter here. */
function questions(): string[] {
  const subjects = [
    "string",
    "number",
    "object",
    "array",
    "union",
    "tuple",
    "date",
    "map",
    "set",
    "promise",
    "enum",
  ];
  const asks = [
    "how is a %s parsed",
    "error message for an invalid %s",
    "where is the %s schema defined",
    "convert %s to json schema",
    "optional %s with default value",
    "refine a %s with a custom check",
    "coerce input to %s",
    "deep equality of %s types",
    "async validation of %s",
    "minimum and maximum of %s",
  ];
  return asks.flatMap((ask) => subjects.map((subject) => ask.replace("%s", subject))).slice(0, SEARCHES);
}

async function rates(url: string, apiKey: string): Promise<Row[]> {
  const [bare, stock] = await Promise.all([
    startOtherWorker("bare", "/health", join(folder, "bare")),
    startOtherWorker("stock", "/token", join(folder, "stock")),
  ]);
  try {
    const token = await new Client(url, apiKey).json<{ access_token: string }>("POST", "/v1/auth/token", {});
    const stockToken = await (await fetch(`${stock.url}/token`)).text();
    const bearer = (credential: string) => ({ headers: { authorization: `Bearer ${credential}` } });
    return [
      await measureRate(
        "GET /health",
        { url: `${url}/health` },
        { url: `${bare.url}/health`, name: "bare Hono Worker" },
      ),
      await measureRate(
        "GET /v1/auth/whoami by token",
        { url: `${url}/v1/auth/whoami`, ...bearer(token.access_token) },
        { url: `${stock.url}/v1/auth/whoami`, ...bearer(stockToken), name: "stock Hono middleware" },
      ),
    ];
  } finally {
    bare.stop();
    stock.stop();
  }
}
