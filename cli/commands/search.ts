import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { SearchAnswer, SearchMode } from "../../client/types.ts";
import { CHUNK_KINDS } from "../../src/core/chunk.ts";
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

  filters(
    program
      .command("similar")
      .description("find code that is like a piece of code")
      .argument("[file]", "a file, or file:start-end; standard input where it is left out"),
  )
    .addHelpText("after", "\nExamples:\n  devflow similar src/users.ts:10-30\n  pbpaste | devflow similar")
    .action(async (place: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<SearchOptions>();
      const request = { code: codeAt(place), limit: options.limit, ...narrowing(options) };
      const {
        extensions: _e,
        kinds: _k,
        ...rest
      } = request as typeof request & { extensions?: unknown; kinds?: unknown };
      show(context, options, await context.client(options).similar(rest, context.signal));
    });
}

function filters(command: Command): Command {
  return narrowed(command, 10).option("--lines <n>", "lines shown of each", whole, SHOWN_LINES);
}

function narrowed(command: Command, limit: number): Command {
  return command
    .option("-l, --limit <n>", "results (pieces of code), 1 to 50", upToFifty, limit)
    .option("-p, --path <path>", "a file, or a folder with all below it")
    .option("--lang <name>", "a language, such as typescript; may be given again", collected)
    .option("--ext <name>", "an extension, such as ts; may be given again", collected)
    .option(
      "--kind <name>",
      `${CHUNK_KINDS.slice(0, -1).join(", ")} or ${CHUNK_KINDS.at(-1)}; may be given again`,
      kinds,
    )
    .option("--min-score <0..1>", "leave out worse results", Number)
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
      ...(options.minScore === undefined ? {} : { min_score: options.minScore }),
      ...(options.cursor === undefined ? {} : { cursor: options.cursor }),
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

function show(context: Context, options: SearchOptions, answer: SearchAnswer): void {
  if (options.json) context.print(JSON.stringify(answer, null, 2));
  else {
    if (options.context === undefined) showHits(context, answer, options.lines ?? SHOWN_LINES);
    else showMatchedLines(context, answer, options.context);
    showNotes(context, answer);
  }
  // As grep does, so that scripts can tell.
  if (answer.results.length === 0) process.exitCode = 1;
}

/** `src/a.ts:3-9` → lines 3 to 9 of the file here. */
function codeAt(place: string | undefined): string {
  if (place === undefined) return readFileSync(0, "utf8");
  const match = /^(.*):(\d+)(?:-(\d+))?$/.exec(place);
  if (match === null) return readFileSync(place, "utf8");
  const [, file = "", start = "1", end = start] = match;
  return readFileSync(file, "utf8")
    .split("\n")
    .slice(Number(start) - 1, Number(end))
    .join("\n");
}

/** A word after the other would be taken for the query: so one a time, or several with commas. */
export function collected(text: string, before: string[] = []): string[] {
  return [...before, ...text.split(",").filter((name) => name !== "")];
}

function upToFifty(text: string): number {
  const number = whole(text);
  if (number > 50)
    throw new InvalidArgumentError("A whole number from 1 to 50; --cursor goes on after them.");
  return number;
}

function kinds(text: string, before: string[] = []): string[] {
  const all = collected(text, before);
  const unknown = all.find((kind) => !CHUNK_KINDS.some((one) => one === kind));
  if (unknown !== undefined) throw new InvalidArgumentError(`There are ${CHUNK_KINDS.join(", ")}.`);
  return all;
}

export function whole(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("A whole number from 1.");
  return Number(text);
}

function upward(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("A whole number from 0.");
  return Number(text);
}

/** Every character that means something in a pattern, escaped. */
function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
