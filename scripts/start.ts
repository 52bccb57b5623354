import { parseArgs } from "node:util";
import { StackFailure } from "./stack/failure.ts";
import { indexOwnSource } from "./stack/first-index.ts";
import { type Stack, startStack } from "./stack/start-stack.ts";

const HELP = `npm start [-- options]

Runs DevFlow on this machine: Chroma, an embedding server, and the Worker with its databases.

  --no-index   do not index DevFlow's own source on the first start
  --https      serve HTTPS with a local certificate
  --verbose    show the logs of all processes
  --help       this text

Settings come from the environment, .dev.vars and .env:
  API_HOST       where to listen (127.0.0.1)
  API_PORT       wanted port (8000); a taken one gives way to the next free one
  DEVFLOW_STATE  where data is kept (.devflow)
  OPENAI_API_KEY embeddings from OpenAI in place of the local model
and any setting of the Worker; see src/config.ts.`;

/** How often the local stack runs the Worker's cron, which mends what a fault left. */
const CRON_INTERVAL_MS = 5 * 60_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      "no-index": { type: "boolean" },
      https: { type: "boolean" },
      verbose: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const began = performance.now();
  const abort = new AbortController();
  const interrupted = new Promise<void>((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        abort.abort();
        done();
      });
    }
  });
  let stack: Stack;
  try {
    stack = await startStack({
      host: process.env["API_HOST"] || "127.0.0.1",
      port: wantedPort(process.env["API_PORT"]),
      https: values.https ?? false,
      verbose: values.verbose ?? false,
      signal: abort.signal,
      onProgress: (part) => console.log(`${elapsed(began)}  ${part}`),
    });
  } catch (error) {
    if (abort.signal.aborted) return 0;
    throw error;
  }
  try {
    if (!values["no-index"])
      await Promise.race([indexOwnSource(stack), interrupted, stack.failed.then(fail)]);
    if (abort.signal.aborted) return 0;
    announce(stack, began);
    const cron = setInterval(() => {
      fetch(`${stack.url}/cdn-cgi/handler/scheduled`).then(
        (response) => response.body?.cancel(),
        () => {},
      );
    }, CRON_INTERVAL_MS);
    await Promise.race([interrupted, stack.failed.then(fail)]);
    clearInterval(cron);
    console.log("\nStopping …");
    return 0;
  } finally {
    await stack.stop();
  }
}

function fail(sentence: string): never {
  throw new StackFailure(sentence);
}

function wantedPort(text: string | undefined): number {
  if (text === undefined || text === "") return 8000;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new StackFailure(`API_PORT is ${JSON.stringify(text)}; it takes a number from 0 to 65535.`);
  }
  return port;
}

function elapsed(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s`;
}

function announce(stack: Stack, began: number): void {
  const wanted = wantedPort(process.env["API_PORT"]);
  const port = Number(new URL(stack.url).port);
  if (wanted !== 0 && port !== wanted) console.log(`Port ${wanted} is taken, so this is port ${port}.`);
  const insecure = stack.url.startsWith("https:") ? " --insecure" : "";
  console.log(`
DevFlow is ready (${elapsed(began).trim()}).

  URL        ${stack.url}
  API key    ${stack.apiKey}
  State      ${stack.state.root} (logs in logs/, addresses and keys in local.json)
  Embeddings ${stack.embeddings === "local" ? "all-MiniLM-L6-v2, on this machine" : stack.embeddingsUrl}
  Limits     ${stack.rateLimitMultiplier} times those of a deployment

Try it from another terminal:

curl${insecure} ${stack.url}/v1/search -H 'Authorization: Bearer ${stack.apiKey}' -H 'Content-Type: application/json' -d '{"query": "how are uploads checked for path traversal?", "limit": 3}'

CTRL-C ends everything; what was indexed is kept.
`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof StackFailure || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS")) {
    console.error(`\n${(error as Error).message}`);
  } else {
    console.error(error);
  }
  process.exitCode = 1;
}
