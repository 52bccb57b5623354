import { parseArgs } from "node:util";
import { StackFailure } from "./stack/failure.ts";
import { EXAMPLE_QUERY, indexOwnSource } from "./stack/first-index.ts";
import { findProcess } from "./stack/processes.ts";
import { type Stack, startStack } from "./stack/start-stack.ts";

const HELP = `npm start [-- options]

Runs DevFlow on this machine: Chroma, an embedding server, and the Worker with its databases.

  --no-index   do not index DevFlow's own source on the first start
  --https      serve HTTPS with a local certificate
  --watch      rebuild when the sources change; work that waits in the queue is held up then
  --verbose    show the logs of all processes
  --help       this text

Settings come from the environment, .dev.vars and .env:
  API_HOST        where to listen (127.0.0.1)
  API_PORT        wanted port (8000); a taken one gives way to the next free one
  DEVFLOW_STATE   where data, keys and logs are kept (.devflow)
  OPENAI_API_KEY  embeddings from OpenAI in place of the local model
and any setting of the Worker; see src/config.ts.`;

const DEFAULT_PORT = 8000;
/** The first start is promised within a minute; what is not indexed by then goes on behind it. */
const READY_WITHIN_MS = 50_000;
/** So that a start on a slow machine has something to show. */
const LEAST_INDEX_WAIT_MS = 5_000;
/** How often the local stack runs the Worker's cron, which mends what a fault left. */
const CRON_INTERVAL_MS = 5 * 60_000;
const PARENT_POLL_MS = 1_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      "no-index": { type: "boolean", default: false },
      https: { type: "boolean", default: false },
      watch: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const interruption = untilInterrupted();
  try {
    await run(values, interruption);
  } catch (error) {
    // What breaks while everything is being ended is not worth a word.
    if (!interruption.aborted) throw error;
  }
}

interface StartOptions {
  "no-index": boolean;
  https: boolean;
  watch: boolean;
  verbose: boolean;
}

async function run(options: StartOptions, interruption: AbortSignal): Promise<void> {
  const began = performance.now();
  const host = process.env["API_HOST"] || "127.0.0.1";
  const port = wantedPort(process.env["API_PORT"]);
  console.log("Starting Chroma, the embedding server and the Worker; the first time takes half a minute.");
  const stack = await startStack({
    host,
    port,
    https: options.https,
    watch: options.watch,
    verbose: options.verbose,
    signal: interruption,
    onProgress: (part) => console.log(`${seconds(began).padStart(7)}  ${part}`),
    onError: (sentence) => console.error(sentence),
  });
  try {
    const failure = stack.failed.then((sentence) => {
      throw new StackFailure(sentence);
    });
    if (!options["no-index"] && stack.apiKey !== "") {
      const waitMs = Math.max(LEAST_INDEX_WAIT_MS, READY_WITHIN_MS - (performance.now() - began));
      await Promise.race([indexOwnSource(stack, waitMs, interruption), failure]);
    }
    announce(stack, { began, host, port });
    using _cron = runCron(stack.url);
    await Promise.race([aborted(interruption), failure]);
    console.log("\nStopping …");
  } finally {
    await stack.stop();
  }
}

/** Aborts on CTRL-C, SIGTERM and SIGHUP, and when npm, which started this, is gone. */
function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, abort);
  if (process.env["npm_lifecycle_event"] !== undefined) {
    const started = ancestors();
    setInterval(() => ancestors() !== started && abort(), PARENT_POLL_MS).unref();
  }
  return controller.signal;
}

/** The shell and the npm that started this: both change when npm has died, even by `kill -9`. */
function ancestors(): string {
  // Elsewhere than on Linux a look at another process costs a process, and shells make way for the command.
  const above = process.platform === "linux" ? findProcess(process.ppid)?.parent : undefined;
  return `${process.ppid} ${above}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
}

/** Locally, cron triggers are to be called by hand. */
function runCron(url: string): Disposable {
  const call = async (query = "") => {
    const response = await fetch(`${url}/cdn-cgi/local/scheduled${query}`).catch(() => null);
    await response?.body?.cancel();
  };
  // Miniflare keeps queues in memory: what waited there when the stack last ended is sent again.
  void call("?cron=@start");
  const timer = setInterval(call, CRON_INTERVAL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function wantedPort(text: string | undefined): number {
  if (text === undefined || text === "") return DEFAULT_PORT;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new StackFailure(`API_PORT is ${JSON.stringify(text)}; it takes a number from 0 to 65535.`);
  }
  return port;
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

function announce(stack: Stack, start: { began: number; host: string; port: number }): void {
  const port = Number(new URL(stack.url).port);
  if (start.port !== 0 && port !== start.port) {
    console.log(`\nPort ${start.port} is taken, so this is port ${port}.`);
  }
  if (!["127.0.0.1", "localhost", "::1"].includes(start.host)) {
    console.log(
      `\nAPI_HOST=${start.host} lets other machines in. This is a development server, with development tools ` +
        "that ask for no key; do not leave it on a network that you do not trust.",
    );
  }
  if (stack.apiKey === "") {
    console.log(`
DevFlow is ready for a backup (RESTORE_ENABLED), without a workspace of its own.

  URL         ${stack.url}
  Root key    in ${stack.state.path("local.json")}

DEVFLOW_URL=${stack.url} DEVFLOW_KEY=<root key> devflow backup restore FILE --identity KEY
`);
    return;
  }
  const insecure = stack.url.startsWith("https:") ? " --insecure" : "";
  const query = JSON.stringify({ query: EXAMPLE_QUERY, limit: 3 });
  console.log(`
DevFlow is ready (${seconds(start.began)}).

  URL         ${stack.url}
  API key     ${stack.apiKey}
  State       ${stack.state.root} (logs in logs/, addresses and keys in local.json)
  Embeddings  ${stack.embeddings === "local" ? "all-MiniLM-L6-v2, on this machine" : stack.embeddingsUrl}
  Limits      ${stack.rateLimitMultiplier} times those of a deployment

Try it from another terminal:

curl${insecure} ${stack.url}/v1/search -H 'Authorization: Bearer ${stack.apiKey}' -H 'Content-Type: application/json' -d '${query}'

CTRL-C ends everything; what was indexed is kept.
`);
}

try {
  await main();
} catch (error) {
  const forPeople =
    error instanceof StackFailure || String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
  console.error(forPeople ? `\n${(error as Error).message}` : error);
  process.exitCode = 1;
}
