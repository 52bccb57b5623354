import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../scripts/stack/ports.ts";
import { startStack } from "../scripts/stack/start-stack.ts";
import { Client } from "./client.ts";
import { meets, type Row, table } from "./figures.ts";
import { measureHealth } from "./health-rate.ts";
import { measureIndexing } from "./index-throughput.ts";
import { startReplayEmbedder } from "./replay-embedder.ts";
import { measureSearch } from "./search-latency.ts";
import { zodSources } from "./sources.ts";

/**
 * `npm run bench`: prints ratios, each measured within this run against a reference on this machine, and exits 1
 * where one misses its goal. Absolute figures depend on the machine; ratios far less.
 */
const SEARCHES = 110;
const UNLIMITED = { RATE_LIMIT_MULTIPLIER: "100000", LOG_LEVEL: "warning" };

const folder = mkdtempSync(join(tmpdir(), "devflow-bench-"));
const rows: Row[] = [];
try {
  rows.push(await indexing());
  rows.push(...(await searchAndHealth()));
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
      OPENAI_BASE_URL: replay.url,
      OPENAI_API_KEY: "replay",
      EMBEDDING_MODEL: "replay",
      EMBEDDING_DIMENSIONS: "384",
      EMBEDDING_MAX_TOKENS: "256",
    },
  });
  try {
    return await measureIndexing(stack, zodSources());
  } finally {
    await stack.stop();
    replay.stop();
  }
}

async function searchAndHealth(): Promise<Row[]> {
  console.log("searching …");
  const stack = await startStack({ stateFolder: join(folder, "search"), port: 0, settings: UNLIMITED });
  try {
    const client = new Client(stack.url, stack.apiKey);
    const files = zodSources().filter(({ path }) => !path.includes("/tests/") && !path.includes("/locales/"));
    const job = await client.upload(files);
    if (job !== null) await client.finished(job.id);
    const search = await measureSearch(stack, questions());
    console.log("health …");
    return [...search, await health(stack.url)];
  } finally {
    await stack.stop();
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

async function health(url: string): Promise<Row> {
  const port = await freePort("127.0.0.1", 0);
  const inspector = await freePort("127.0.0.1", 0);
  const wrangler = resolve("node_modules/wrangler/bin/wrangler.js");
  const bare = spawn(
    process.execPath,
    [
      join("scripts", "stack", "tether.ts"),
      process.execPath,
      wrangler,
      "dev",
      ...["--config", "bench/bare/wrangler.toml", "--ip", "127.0.0.1", "--port", String(port)],
      ...["--inspector-port", String(inspector), "--show-interactive-dev-session", "false"],
    ],
    {
      stdio: ["pipe", "ignore", "ignore"],
      env: { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: "false", WRANGLER_SEND_METRICS: "false" },
    },
  );
  const bareUrl = `http://127.0.0.1:${port}`;
  try {
    for (let attempt = 0; ; attempt++) {
      const ok = await fetch(`${bareUrl}/health`).then(
        (response) => response.ok,
        () => false,
      );
      if (ok) break;
      if (attempt > 300) throw new Error("the bare Worker did not start");
      await new Promise((next) => setTimeout(next, 100));
    }
    return await measureHealth(url, bareUrl);
  } finally {
    bare.stdin?.end();
  }
}
