import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { LOCAL_EMBEDDING_SETTINGS } from "../scripts/stack/embedder.ts";
import { startStack } from "../scripts/stack/start-stack.ts";
import { CachedEmbeddings } from "./cached-embeddings.ts";
import { grepWay, type Read, type Way } from "./grep-way.ts";
import { type LabelledQuery, type LabelledSet, readSet } from "./labelled-set.ts";
import { average } from "./metrics.ts";
import { ownSourceSet } from "./own-source.ts";
import { Server } from "./server.ts";

const HELP = `npm run eval:tokens -- [options]

Tokens that an agent reads until a right file stands before it: by the MCP tool search_code, and by grep.

  --set DIR        a labelled set as of npm run eval, may be repeated. Without it: the project's own sources
  --queries N      so many queries of each set, evenly spread over it (30)
  --cache FOLDER   where vectors of the local model are kept between runs (.devflow/eval)
  --help           this text

Counted: the arguments of each call and the text it answers, by OpenAI's vocabulary o200k_base. docs/mcp.md tells the rest.`;

/** An agent that has not found it by then gives up. */
const PAGES = 5;
const SETTINGS = {
  RATE_LIMIT_MULTIPLIER: "100000",
  LOG_LEVEL: "warning",
  // A busy machine must not be answered by words alone.
  SEARCH_VECTOR_TIMEOUT_MS: "60000",
};
const WAYS = [
  "search_code",
  "search_code, code: false",
  "grep, whole outputs",
  "grep, up to the right line",
  "grep -l, up to the right name",
] as const;
type Ways = Record<(typeof WAYS)[number], Way>;

const { values } = parseArgs({
  options: {
    set: { type: "string", multiple: true, default: [] },
    queries: { type: "string", default: "30" },
    cache: { type: "string", default: ".devflow/eval" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  console.log(HELP);
} else {
  await main(values.set.length === 0 ? [ownSourceSet()] : values.set.map(readSet), Number(values.queries));
}

async function main(sets: LabelledSet[], queries: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "devflow-agent-tokens-"));
  const embeddings = await CachedEmbeddings.open(values.cache);
  const served = await embeddings.serve();
  try {
    const settings = { ...SETTINGS, ...LOCAL_EMBEDDING_SETTINGS, OPENAI_BASE_URL: served.url };
    const stack = await startStack({ stateFolder: folder, port: 0, settings });
    try {
      const root = new Server(stack.url, stack.rootKey);
      for (const [i, set] of sets.entries()) {
        const made = await root.call<{ key: { key: string } }>("POST", "/v1/workspaces", { name: set.name });
        await new Server(stack.url, made.key.key).index(set.files ?? [], () => {});
        const agent = await agentOf(stack.url, made.key.key);
        if (i === 0) await showDefinitions(agent);
        const asked = spread(set.queries, queries);
        const ways: Ways[] = [];
        for (const query of asked) ways.push(await allWays(agent, set, query));
        show(set, ways);
        await agent.close();
      }
    } finally {
      await stack.stop();
    }
  } finally {
    await served.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function agentOf(url: string, key: string): Promise<Client> {
  const agent = new Client({ name: "agent-tokens", version: "1" });
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit });
  await agent.connect(transport as Parameters<Client["connect"]>[0]);
  return agent;
}

async function allWays(agent: Client, set: LabelledSet, { query, relevant }: LabelledQuery): Promise<Ways> {
  const right = new Set(relevant.map((one) => (typeof one === "string" ? one : one.path)));
  const files = set.files ?? [];
  return {
    search_code: await searchWay(agent, query, right, {}),
    "search_code, code: false": await searchWay(agent, query, right, { code: false, limit: 10 }),
    "grep, whole outputs": grepWay(files, query, right, "whole"),
    "grep, up to the right line": grepWay(files, query, right, "line"),
    "grep -l, up to the right name": grepWay(files, query, right, "names"),
  };
}

/** Whole pages are read, one after the other, until one holds a right file. */
async function searchWay(
  agent: Client,
  query: string,
  right: ReadonlySet<string>,
  options: object,
): Promise<Way> {
  const reads: Read[] = [];
  let cursor: string | null = null;
  do {
    const input: Record<string, unknown> = { query, ...options, ...(cursor === null ? {} : { cursor }) };
    const answer = await agent.callTool({ name: "search_code", arguments: input });
    const [content] = answer.content as { text: string }[];
    if (answer.isError) throw new Error(content?.text);
    reads.push({ asked: JSON.stringify(input), answered: content?.text ?? "" });
    const page = answer.structuredContent as { results: { path: string }[]; next_cursor: string | null };
    if (page.results.some(({ path }) => right.has(path))) return { found: true, reads };
    cursor = page.next_cursor;
  } while (cursor !== null && reads.length < PAGES);
  return { found: false, reads };
}

/** What the tools cost each conversation before anything is asked. */
async function showDefinitions(agent: Client): Promise<void> {
  const { tools } = await agent.listTools();
  const shown = (list: typeof tools) =>
    list.reduce(
      (sum, { name, description, inputSchema }) =>
        sum + tokensOf(JSON.stringify({ name, description, inputSchema })),
      0,
    );
  const search = tools.filter(({ name }) => name === "search_code");
  console.log(
    `Definitions of all ${tools.length} tools: ${shown(tools)} tokens; of search_code alone: ${shown(search)}\n`,
  );
  console.log(
    "| set | way | found | calls, mean | tokens, median | tokens, mean | mean against grep, whole outputs |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
}

function show({ name, files }: LabelledSet, ways: readonly Ways[]): void {
  const costOf = (way: (typeof WAYS)[number]) => ways.map((one) => costs(one[way]));
  const whole = average(costOf("grep, whole outputs"));
  for (const way of WAYS) {
    const cost = costOf(way).sort((a, b) => a - b);
    const found = ways.filter((one) => one[way].found).length;
    const calls = average(ways.map((one) => one[way].reads.length));
    const cells = [
      `${name} (${files?.length ?? 0} files)`,
      way,
      `${found} of ${ways.length}`,
      calls.toFixed(1),
      Math.round(((cost[(cost.length - 1) >> 1] ?? 0) + (cost[cost.length >> 1] ?? 0)) / 2),
      Math.round(average(cost)),
      way === "grep, whole outputs" ? "" : `${Math.round(100 * (average(cost) / whole - 1))}%`,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

function costs({ reads }: Way): number {
  return reads.reduce((sum, { asked, answered }) => sum + tokensOf(asked) + tokensOf(answered), 0);
}

function tokensOf(text: string): number {
  return countTokens(text, { disallowedSpecial: new Set<string>() });
}

function spread<T>(list: readonly T[], count: number): T[] {
  const step = Math.max(1, list.length / count);
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => list[Math.floor(i * step)] as T);
}
