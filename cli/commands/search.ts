import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { SearchAnswer, SearchMode } from "../../client/types.ts";
import { CHUNK_KINDS } from "../../src/core/chunk.ts";
import { collected, kinds, share, upToFifty, upward, whole } from "../arguments.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { CliError } from "../failure.ts";
import { apiPath } from "../format.ts";
import { SHOWN_LINES, showHits, showNotes } from "../hits.ts";
import { showMatchedLines } from "../matched-lines.ts";

/** Pieces of code that one answer may hold: who looks for lines wants all of them. */
const GREP_LIMIT = 50;

interface SearchOptions extends GlobalOptions {
  limit: number;
  path?: string;
  lang?: string[];
  ext?: string[];
  kind?: string[];
  minScore?: number;
  /** Of each result; left out by `grep`, which shows those that match. */
  lines?: number;
  /** Around each match. */
  context?: number;
  cursor?: string;
  mode: SearchMode;
  literal?: boolean;
  ignoreCase?: boolean;
  multiline?: boolean;
}

export function registerSearch(program: Command, context: Context): void {
  filters(program.command("search").description("find code by meaning and words").argument("<query...>"))
    .option("-m, --mode <mode>", "hybrid, semantic, lexical, regex or symbol", "hybrid")
    .addHelpText(
      "after",
      `
In a query, path: lang: ext: kind: narrow it down, -word leaves out, "a phrase" has to be there (mode lexical).

Examples:
  devflow search where are settings read
  devflow search "rate limit path:src -test" --lang typescript,tsx
  devflow search --json upload | jq -r '.results[].path'`,
    )
    .action((words: string[], _: unknown, command: Command) => run(context, command, words.join(" ")));

  narrowed(
    program
      .command("grep")
      .description("find the lines that match a regular expression (RE2) or a text")
      .argument("<pattern>"),
    GREP_LIMIT,
  )
    .option("-C, --context <n>", "lines shown before and after each match", upward, 0)
    .option("-F, --literal", "take the pattern as plain text")
    .option("-i, --ignore-case", "upper and lower case are the same")
    .option("-U, --multiline", "let . match line ends")
    .addHelpText(
      "after",
      "\nPrinted as grep prints them: path:line:text.\n\nExamples:\n  devflow grep 'TODO|FIXME' --path src\n  devflow grep -C 2 -F 'array[0]'",
    )
    .action((pattern: string, _: unknown, command: Command) => {
      const { literal } = command.opts<SearchOptions>();
      return run(context, command, literal ? escapePattern(pattern) : pattern, "regex");
    });

  filters(program.command("symbol").description("find a definition by its name").argument("<name>"))
    .addHelpText(
      "after",
      "\nExamples:\n  devflow symbol getUserByName\n  devflow symbol gUBN\n  devflow symbol Users.find",
    )
    .action((name: string, _: unknown, command: Command) => run(context, command, name, "symbol"));

  bounded(
    program
      .command("similar")
      .description("find code that is like a piece of code")
      .argument("[file]", "a file, or file:start-end; standard input where it is left out"),
    10,
  )
    .option("--lines <n>", "lines shown of each", whole, SHOWN_LINES)
    .addHelpText("after", "\nExamples:\n  devflow similar src/users.ts:10-30\n  pbpaste | devflow similar")
    .action(async (place: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<SearchOptions>();
      const request = {
        code: codeAt(place),
        limit: options.limit,
        ...narrowing(options),
        ...paging(options),
      };
      show(context, options, await context.client(options).similar(request, context.signal));
    });
}

function filters(command: Command): Command {
  return narrowed(command, 10).option("--lines <n>", "lines shown of each", whole, SHOWN_LINES);
}

function narrowed(command: Command, limit: number): Command {
  return bounded(command, limit)
    .option("--ext <name>", "an extension, such as ts; may be given again", collected)
    .option(
      "--kind <name>",
      `${CHUNK_KINDS.slice(0, -1).join(", ")} or ${CHUNK_KINDS.at(-1)}; may be given again`,
      kinds,
    );
}

function bounded(command: Command, limit: number): Command {
  return command
    .option("-l, --limit <n>", "results (pieces of code), 1 to 50", upToFifty, limit)
    .option("-p, --path <path>", "a file, or a folder with all below it")
    .option("--lang <name>", "a language, such as typescript or ts; may be given again", collected)
    .option("--min-score <0..1>", "leave out worse results", share)
    .option("--cursor <cursor>", "go on where an answer ended");
}

async function run(context: Context, command: Command, query: string, mode?: SearchMode): Promise<void> {
  const options = command.optsWithGlobals<SearchOptions>();
  if (query.trim() === "")
    throw new CliError("There is nothing to look for.", "Say what, in words or as code.");
  const answer = await context.client(options).search(
    {
      query,
      mode: mode ?? options.mode,
      limit: options.limit,
      ...narrowing(options),
      ...paging(options),
      ...(mode === "regex"
        ? { case_sensitive: !options.ignoreCase, multiline: options.multiline === true }
        : {}),
    },
    context.signal,
  );
  show(context, options, answer);
}

function narrowing({ path, lang, ext, kind }: SearchOptions) {
  return {
    ...(path === undefined ? {} : { path: apiPath(path) }),
    ...(lang === undefined ? {} : { languages: lang }),
    ...(ext === undefined ? {} : { extensions: ext }),
    ...(kind === undefined ? {} : { kinds: kind }),
  };
}

function paging({ minScore, cursor }: SearchOptions) {
  return {
    ...(minScore === undefined ? {} : { min_score: minScore }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

function show(context: Context, options: SearchOptions, answer: SearchAnswer): void {
  if (options.json) context.print(JSON.stringify(answer, null, 2));
  else {
    if (options.context === undefined) showHits(context, answer, options.lines ?? SHOWN_LINES);
    else showMatchedLines(context, answer, options.context);
    showNotes(context, answer);
    if (answer.results.length === 0 && isNarrowed(options)) {
      context.note(
        "The filters may leave out everything: `devflow status` tells what languages the workspace holds.",
      );
    }
  }
  // As grep does, so that scripts can tell.
  if (answer.results.length === 0) process.exitCode = 1;
}

function isNarrowed({ path, lang, ext, kind, minScore }: SearchOptions): boolean {
  return [path, lang, ext, kind, minScore].some((filter) => filter !== undefined);
}

/** `src/a.ts:3-9` → lines 3 to 9 of the file here. */
function codeAt(place: string | undefined): string {
  if (place === undefined) return readFileSync(0, "utf8");
  const match = /^(.*):(\d+)(?:-(\d+))?$/.exec(place);
  if (match === null) return contentOf(place);
  const [, file = "", start = "1", end = start] = match;
  return contentOf(file)
    .split("\n")
    .slice(Number(start) - 1, Number(end))
    .join("\n");
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : `${error}`;
    throw new CliError(
      `${file} cannot be read: ${why}.`,
      "Give a file of this machine, as file or file:start-end.",
    );
  }
}

/** Every character that means something in a pattern, escaped. */
function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
