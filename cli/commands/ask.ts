import type { Command } from "commander";
import { ApiError } from "../../client/problem.ts";
import type { Answer, Citation, Source } from "../../client/types.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { apiPath, plain } from "../format.ts";

interface AskOptions extends GlobalOptions {
  path?: string;
  file?: string[];
}

export function registerAsk(program: Command, context: Context): void {
  program
    .command("ask")
    .description("ask about the code; the answer cites its places")
    .argument("<question...>")
    .option("-p, --path <path>", "keep to a folder or file")
    .option(
      "--file <path>",
      "a file that has to be among the sources; may be given again",
      (path: string, before: string[] = []) => [...before, path],
    )
    .addHelpText(
      "after",
      "\nExamples:\n  devflow ask how are uploads checked for path traversal\n  devflow ask 'what calls it?' --file src/queue.ts",
    )
    .action(async (words: string[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<AskOptions>();
      const client = context.client(options);
      const request = {
        question: words.join(" "),
        ...(options.path === undefined ? {} : { path: apiPath(options.path) }),
        ...(options.file === undefined ? {} : { context_files: options.file.map(apiPath) }),
      };
      if (options.json) {
        return context.print(JSON.stringify(await client.ask(request, context.signal), null, 2));
      }
      try {
        for await (const event of client.askStream(request, context.signal)) {
          if (event.name === "sources") context.note(context.colors.dim(`${event.sources.length} sources`));
          else if (event.name === "delta") process.stdout.write(plain(event.text));
          else finish(context, event.answer);
        }
      } catch (error) {
        // Without an answer, its sources still say where to look.
        if (error instanceof ApiError && Array.isArray(error.problem["sources"]))
          for (const source of error.problem["sources"] as Source[]) context.print(placeOf(context, source));
        throw error;
      }
    });
}

function placeOf(
  { colors }: Context,
  { n, path, start_line: start, end_line: end }: Omit<Source, "chunk_id">,
) {
  return `${colors.dim(`[${n}]`)} ${colors.cyan(plain(`${path}:${start}`))}${colors.dim(`-${end}`)}`;
}

function finish(context: Context, { citations, dropped_citations: dropped }: Answer): void {
  const { yellow } = context.colors;
  context.print("\n");
  for (const cited of unique(citations)) context.print(placeOf(context, cited));
  if (citations.length === 0)
    context.note(yellow("No citation could be verified: take this answer with care."));
  if (dropped > 0)
    context.note(yellow(`${dropped} citations named places outside their sources and were dropped.`));
}

function unique(citations: readonly Citation[]): Citation[] {
  const seen = new Set<string>();
  return citations.filter(({ n, start_line: start, end_line: end }) => {
    const key = `${n}:${start}-${end}`;
    return !seen.has(key) && seen.add(key);
  });
}
