import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LOCAL_EMBEDDING_SETTINGS } from "../scripts/stack/embedder.ts";
import { StackFailure } from "../scripts/stack/failure.ts";
import { startStack } from "../scripts/stack/start-stack.ts";
import { CachedEmbeddings } from "./cached-embeddings.ts";
import { feedbackSet } from "./feedback-set.ts";
import { judge } from "./judge.ts";
import { type LabelledSet, readSet, SetError } from "./labelled-set.ts";
import { ownSourceSet } from "./own-source.ts";
import { reportOf, type SetReport, show, summary } from "./report.ts";
import { Server, ServerError } from "./server.ts";
import { Sketch } from "./sketch.ts";

const HELP = `npm run eval -- [options]

Judges search by labelled queries: Recall@5, Recall@10, MRR@10 and NDCG@10 of the modes lexical, semantic and hybrid,
through the API, with 95% intervals (bootstrap over queries) and paired differences.

  --set DIR        a labelled set, may be repeated: queries.jsonl with lines {"query", "relevant": [path or
                   {"path", "start_line", "end_line"}]}, and what is searched as corpus.jsonl(.gz) {"path", "text"}
                   or as the folder files. Without it: the project's own sources and eval/own-source.jsonl
  --url URL        ask a running server rather than a local stack made for the run; its workspace holds the files
  --key KEY        an API key of that workspace, scope search; or DEVFLOW_API_KEY in the environment
  --feedback       take ratings given through POST /v1/feedback as a further set (with --url)
  --no-baseline    leave out the sketch that search is to beat
  --cache FOLDER   where vectors of the local model are kept between runs (.devflow/eval)
  --json FILE      write the figures as JSON too
  --help           this text

docs/evaluation.md says what the figures mean, and how to judge your own repository.`;

const SETTINGS = { RATE_LIMIT_MULTIPLIER: "100000", LOG_LEVEL: "warning" };

const OPTIONS = {
  set: { type: "string", multiple: true, default: [] as string[] },
  url: { type: "string" },
  key: { type: "string" },
  feedback: { type: "boolean", default: false },
  "no-baseline": { type: "boolean", default: false },
  cache: { type: "string", default: ".devflow/eval" },
  json: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const sets = values.set.map(readSet);
  const reports =
    values.url === undefined
      ? await onLocalStack(
          values.set.length === 0 ? [ownSourceSet()] : sets,
          values.cache,
          !values["no-baseline"],
        )
      : await onServer(values.url, values.key ?? process.env["DEVFLOW_API_KEY"], sets, values.feedback);
  if (reports.length > 1) console.log(summary(reports));
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ at: new Date().toISOString(), sets: reports }, null, 2)}\n`,
    );
    console.log(`\nWritten to ${values.json}`);
  }
}

/** A stack for this run alone, with a workspace for each set. */
async function onLocalStack(sets: LabelledSet[], cache: string, baseline: boolean): Promise<SetReport[]> {
  for (const { name, files } of sets) {
    if (files === null)
      throw new SetError(`${name} brings no files: add corpus.jsonl or files, or use --url.`);
  }
  const folder = mkdtempSync(join(tmpdir(), "devflow-eval-"));
  const embeddings = await CachedEmbeddings.open(cache);
  const served = await embeddings.serve();
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  process.once("SIGTERM", () => interrupted.abort());
  try {
    const stack = await startStack({
      stateFolder: folder,
      port: 0,
      settings: { ...SETTINGS, ...LOCAL_EMBEDDING_SETTINGS, OPENAI_BASE_URL: served.url },
      signal: interrupted.signal,
    });
    try {
      const reports: SetReport[] = [];
      const root = new Server(stack.url, stack.rootKey);
      for (const set of sets) {
        interrupted.signal.throwIfAborted();
        const files = set.files ?? [];
        const { key } = await root.call<{ key: { key: string } }>("POST", "/v1/workspaces", {
          name: set.name,
        });
        const server = new Server(stack.url, key.key);
        await server.index(files, (done) => tell(`${set.name}: ${done} of ${files.length} files sent`));
        tell(`${set.name}: indexed`);
        const sketch = baseline ? await Sketch.over(files, embeddings) : null;
        reports.push(await report(set, server, sketch));
      }
      return reports;
    } finally {
      await stack.stop();
    }
  } finally {
    await served.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function onServer(
  url: string,
  key: string | undefined,
  sets: LabelledSet[],
  feedback: boolean,
): Promise<SetReport[]> {
  if (key === undefined) throw new SetError("--url needs --key, or DEVFLOW_API_KEY in the environment.");
  const server = new Server(url, key);
  const all = feedback ? [...sets, await feedbackSet(server)] : sets;
  if (all.length === 0) throw new SetError("--url needs --set, or --feedback: there is nothing to ask.");
  const reports: SetReport[] = [];
  for (const set of all) reports.push(await report(set, server, null));
  return reports;
}

async function report(set: LabelledSet, server: Server, sketch: Sketch | null): Promise<SetReport> {
  const judgement = await judge(set.queries, server, sketch, (done) =>
    tell(`${set.name}: ${done} of ${set.queries.length} queries`),
  );
  tell("");
  const made = reportOf(set.name, judgement, await server.stats());
  console.log(show(made));
  return made;
}

/** A line that the next one overwrites; nothing where no person looks. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

try {
  await main();
} catch (error) {
  const forPeople =
    error instanceof SetError ||
    error instanceof ServerError ||
    error instanceof StackFailure ||
    String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
  console.error(forPeople ? `\n${(error as Error).message}` : error);
  process.exitCode = 1;
}
