import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { withoutDocComments } from "./documented-functions.ts";
import type { LabelledQuery } from "./labelled-set.ts";

const HELP = `npm run eval:sets -- OUT options

Makes labelled sets for \`npm run eval -- --set\` where the relevant place is known.

  --repo NAME=GITDIR[@COMMIT]  two sets from the history of a git repository, bare or not:
                               OUT/NAME-docs     first sentences of doc comments → the functions they were taken from;
                                                 no function keeps its doc comment in the files that are searched
                               OUT/NAME-commits  titles of commits → the files that they changed, searched for in the
                                                 tree as it was before them
  --commits N                  how many commits back that tree lies (400)
  --with-tests                 tests are searched too, and never the answer (left out of the files otherwise)
  --beir FOLDER --extension E  OUT/<name of FOLDER> from corpus.jsonl.gz {id, text, path?}, queries.jsonl {id, text}
                               and qrels.jsonl {query, doc, score}: each document becomes a file <id>.<E>
  --queries N                  at most this many queries a set (300)

Both options may be repeated. What is written holds other people's code: keep it out of your commits.`;

const EXTENSIONS = ["ts", "tsx", "py", "go", "rs"];
/** Neither what people search for nor, in such numbers, worth the time to embed. */
const LEFT_OUT = /(^|\/)(dist|locales?|vendor|benchmarks?|benchsuite|examples|fuzz|fp)\/|\.d\.ts$/i;
const TEST =
  /(^|\/)(__tests__|tests?|testdata|fixtures?|specs?|runtime-tests)\/|[._-](test|spec)\.|_test\.go$|test[s.][^/]*$/i;
const LARGEST_BYTES = 200_000;
const WORDS = { least: 4, most: 30 };
const MOST_CHANGED = 5;

interface CorpusFile {
  path: string;
  text: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    repo: { type: "string", multiple: true, default: [] },
    beir: { type: "string", multiple: true, default: [] },
    extension: { type: "string", default: "txt" },
    commits: { type: "string", default: "400" },
    "with-tests": { type: "boolean", default: false },
    queries: { type: "string", default: "300" },
    help: { type: "boolean", default: false },
  },
});
const [out] = positionals;
if (values.help || out === undefined || values.repo.length + values.beir.length === 0) {
  console.log(HELP);
  process.exit(values.help ? 0 : 1);
}

for (const repo of values.repo) {
  const [, name, git, commit = "HEAD"] = /^([^=]+)=([^@]+)(?:@(.+))?$/.exec(repo) ?? [];
  if (name === undefined || git === undefined) throw new Error(`--repo ${repo}: NAME=GITDIR[@COMMIT]`);
  const newest = run(git, "rev-parse", commit).trim();
  const base = run(git, "rev-list", "--first-parent", `--skip=${values.commits}`, "-1", newest).trim();
  if (base === "") throw new Error(`${git} has no ${values.commits} commits before ${newest}: see --commits`);
  const files = filesAt(git, base);
  writeDocs(name, files);
  writeCommits(name, files, git, base, newest);
}
for (const folder of values.beir) writeBeir(folder);

function writeDocs(name: string, files: CorpusFile[]): void {
  const corpus: CorpusFile[] = [];
  const queries: LabelledQuery[] = [];
  for (const { path, text } of files) {
    const { source, functions } = withoutDocComments(text, path.split(".").at(-1) ?? "");
    corpus.push({ path, text: source });
    if (TEST.test(path)) continue;
    for (const { sentence, startLine, endLine } of functions) {
      if (/https?:|todo|deprecated|inheritdoc|eslint|@/i.test(sentence)) continue;
      queries.push({ query: sentence, relevant: [{ path, start_line: startLine, end_line: endLine }] });
    }
  }
  write(`${name}-docs`, corpus, queries);
}

function writeCommits(name: string, files: CorpusFile[], git: string, base: string, newest: string): void {
  const known = new Set(files.map(({ path }) => path));
  const log = run(git, "log", "--no-merges", "--format=%x01%s", "--name-only", `${base}..${newest}`);
  const queries = log
    .split("\x01")
    .slice(1)
    .flatMap((entry): LabelledQuery[] => {
      const [title = "", ...changed] = entry.split("\n").filter((line) => line !== "");
      const relevant = changed.filter((path) => known.has(path) && !TEST.test(path));
      if (relevant.length === 0 || relevant.length > MOST_CHANGED) return [];
      if (
        /^(chore|docs?|ci|test|build|style|release|revert|merge|bump|update dev)\b|\bbump\b|deps|typos?\b|lint|msrv/i.test(
          title,
        )
      ) {
        return [];
      }
      // `fix(client): skip …` → client: skip …
      const query = title
        .replace(/\s*\(#\d+\)/g, "")
        .replace(/^(?:feat|fix|perf|refactor)!?:\s*/i, "")
        .replace(/^(?:feat|fix|perf|refactor)\(([^)]*)\)!?:/i, "$1:")
        .trim();
      return [{ query, relevant }];
    });
  write(`${name}-commits`, files, queries);
}

function writeBeir(folder: string): void {
  const rows = <T>(text: string) =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as T);
  const gz = gunzipSync(readFileSync(join(folder, "corpus.jsonl.gz"))).toString();
  const documents = rows<{ id: string; text: string; path?: string }>(gz);
  const paths = new Map(documents.map(({ id, path }) => [id, path ?? `${id}.${values.extension}`]));
  const relevant = new Map<string, string[]>();
  for (const { query, doc, score } of rows<{ query: string; doc: string; score: number }>(
    readFileSync(join(folder, "qrels.jsonl"), "utf8"),
  )) {
    if (score > 0) relevant.set(query, [...(relevant.get(query) ?? []), paths.get(doc) ?? doc]);
  }
  const queries = rows<{ id: string; text: string }>(readFileSync(join(folder, "queries.jsonl"), "utf8"));
  write(
    folder.split("/").filter(Boolean).at(-1) ?? "set",
    documents.map(({ id, text }) => ({ path: paths.get(id) ?? id, text })),
    queries.map(({ id, text }) => ({ query: text, relevant: relevant.get(id) ?? [] })),
    { anyLength: true },
  );
}

/** Queries that name more than one place are ambiguous, and left out; the rest are taken in the order of their hash. */
function write(name: string, corpus: CorpusFile[], all: LabelledQuery[], { anyLength = false } = {}): void {
  const times = new Map<string, number>();
  for (const { query } of all) times.set(query, (times.get(query) ?? 0) + 1);
  const fits = ({ query }: LabelledQuery) => {
    const words = query.split(/\s+/).length;
    return times.get(query) === 1 && (anyLength || (words >= WORDS.least && words <= WORDS.most));
  };
  const digest = (query: string) => createHash("sha256").update(query).digest("hex");
  const queries = all
    .filter(fits)
    .sort((a, b) => (digest(a.query) < digest(b.query) ? -1 : 1))
    .slice(0, Number(values.queries));
  const folder = join(out ?? ".", name);
  mkdirSync(folder, { recursive: true });
  const lines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  writeFileSync(join(folder, "corpus.jsonl.gz"), gzipSync(lines(corpus)));
  writeFileSync(join(folder, "queries.jsonl"), lines(queries));
  console.log(`${folder}: ${corpus.length} files, ${queries.length} of ${all.length} queries`);
}

function filesAt(git: string, commit: string): CorpusFile[] {
  return run(git, "ls-tree", "-r", "-l", commit)
    .split("\n")
    .flatMap((line) => {
      const [, size, path] = /^\d+ blob \w+ +(\d+)\t(.+)$/.exec(line) ?? [];
      if (path === undefined || Number(size) > LARGEST_BYTES || LEFT_OUT.test(path)) return [];
      if (TEST.test(path) && !values["with-tests"]) return [];
      if (!EXTENSIONS.includes(path.split(".").at(-1) ?? "")) return [];
      return [{ path, text: run(git, "show", `${commit}:${path}`) }];
    });
}

function run(git: string, ...args: string[]): string {
  return execFileSync("git", ["-C", git, ...args], { maxBuffer: 1e9, encoding: "utf8" });
}
