import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import pMap from "p-map";
import type { DevFlowClient } from "../../client/client.ts";
import { ApiError } from "../../client/problem.ts";
import { judge, type SearchedServer } from "../../eval/judge.ts";
import { type LabelledQuery, type LabelledSet, readSet, SetError } from "../../eval/labelled-set.ts";
import { reportOf, show } from "../../eval/report.ts";
import { MODES } from "../../eval/server.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { CliError } from "../failure.ts";
import { apiPath, count } from "../format.ts";
import { startProgress } from "../progress.ts";

const PATHS_AT_ONCE = 4;
const PATHS_SHOWN = 5;

export function registerEval(program: Command, context: Context): void {
  program
    .command("eval")
    .description("judge search by your own questions: Recall, MRR and NDCG of each mode")
    .argument(
      "<file>",
      'lines of JSON: {"query": "…", "relevant": ["path" or {"path", "start_line", "end_line"}]}',
    )
    .option("-o, --output <file>", "write the figures as JSON too")
    .addHelpText(
      "after",
      `
The files stay where they are: the workspace is asked as it is. Each query is asked in the modes ${MODES.join(", ")},
and is charged like any search. docs/evaluation.md says what the figures mean.

Examples:
  echo '{"query": "where are passwords hashed", "relevant": ["src/auth/password.ts"]}' > queries.jsonl
  devflow eval queries.jsonl
  devflow eval queries.jsonl --json | jq '.systems.hybrid'`,
    )
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { output?: string }>();
      const client = context.client(options);
      const set = readLabelled(file);
      await tellLimit(context, client, set.queries.length * MODES.length);
      await tellUnknownPaths(context, client, set.queries);
      using progress = startProgress(context, "Asking", set.queries.length, "queries");
      const judged = await judge(set.queries, serverOf(client, context.signal), null, (done) =>
        progress.set(done),
      );
      progress[Symbol.dispose]();
      const report = reportOf(set.name, judged, await client.stats(context.signal));
      const json = JSON.stringify(report, null, 2);
      if (options.output !== undefined) writeFileSync(options.output, `${json}\n`);
      context.print(options.json ? json : show(report));
    });
}

function readLabelled(file: string): LabelledSet {
  try {
    return readSet(file);
  } catch (error) {
    if (!(error instanceof SetError)) throw error;
    throw new CliError(error.message, 'Each line is {"query": "…", "relevant": ["path/of/a/file"]}.');
  }
}

/** Errors: `CliError` where a leg was down, which would make the figures those of something else. */
function serverOf(client: DevFlowClient, signal: AbortSignal): SearchedServer {
  return {
    async search(query, mode, limit) {
      const { degraded, results } = await client.search({ query, mode, limit }, signal);
      if (degraded?.length)
        throw new CliError(
          `A search was answered without its ${degraded.join(", ")} leg.`,
          "Try again later.",
        );
      return results.map(({ path, start_line, end_line }) => ({
        path,
        startLine: start_line,
        endLine: end_line,
      }));
    },
  };
}

async function tellLimit(context: Context, client: DevFlowClient, searches: number): Promise<void> {
  const limit = (await client.whoami(context.signal)).limits["search"];
  if (limit === undefined || searches <= limit.requests) return;
  context.note(
    context.colors.yellow(
      `${count(searches)} searches are more than the ${count(limit.requests)} in ${count(limit.window_seconds)} s that this key may make: it may be refused before the end.`,
    ),
  );
}

/** A path that is written otherwise than the workspace writes it would count as never found. */
async function tellUnknownPaths(
  context: Context,
  client: DevFlowClient,
  queries: readonly LabelledQuery[],
): Promise<void> {
  const relevant = queries.flatMap((query) => query.relevant);
  const paths = [...new Set(relevant.map((one) => (typeof one === "string" ? one : one.path)))];
  const found = await pMap(
    paths,
    async (path) => {
      try {
        return await client.fileInfo(apiPath(path), context.signal);
      } catch (error) {
        if (error instanceof ApiError && error.problem.status < 500 && error.problem.status !== 429)
          return null;
        throw error;
      }
    },
    { concurrency: PATHS_AT_ONCE },
  );
  const unknown = paths.filter((_, i) => found[i] === null);
  if (unknown.length === 0) return;
  const shown = unknown.slice(0, PATHS_SHOWN).join(", ");
  context.note(
    context.colors.yellow(
      `${unknown.length} of ${paths.length} relevant paths are not in the workspace: ${shown}${unknown.length > PATHS_SHOWN ? " …" : ""}`,
    ),
  );
}
