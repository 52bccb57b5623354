import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { z } from "zod";

const Relevant = z.union([
  z.string().min(1),
  z
    .strictObject({ path: z.string().min(1), start_line: z.int().min(1), end_line: z.int().min(1) })
    .refine(({ start_line, end_line }) => start_line <= end_line, "end_line lies before start_line"),
]);
const Query = z.object({ query: z.string().min(1).max(2000), relevant: z.array(Relevant).min(1) });
const CorpusRow = z.object({ path: z.string().min(1), text: z.string() });

/** What answers a query: a file, or lines of one (from 1, inclusive). */
export type Relevant = z.infer<typeof Relevant>;
export type LabelledQuery = z.infer<typeof Query>;

export interface SourceText {
  path: string;
  text: string;
}

export interface LabelledSet {
  name: string;
  queries: LabelledQuery[];
  /** What is searched; null where the set brings no files: a server has them. */
  files: SourceText[] | null;
}

/** What is wrong with a set, in a sentence that names file and line. */
export class SetError extends Error {}

/**
 * Reads a set: `queries.jsonl`, a line `{query, relevant: [path | {path, start_line, end_line}]}` each, and what is
 * searched as `corpus.jsonl` or `corpus.jsonl.gz` with lines `{path, text}`, or as the folder `files`.
 * @param path the folder, or the file of queries alone. Errors: `SetError`.
 */
export function readSet(path: string): LabelledSet {
  const at = resolve(path);
  if (!existsSync(at)) throw new SetError(`${path} does not exist.`);
  const folder = statSync(at).isDirectory() ? at : null;
  const queriesFile = folder === null ? at : join(folder, "queries.jsonl");
  if (!existsSync(queriesFile)) throw new SetError(`${path} has no queries.jsonl.`);
  const queries = readLines(queriesFile, readFileSync(queriesFile, "utf8"), Query);
  if (queries.length === 0) throw new SetError(`${queriesFile} holds no query.`);
  return {
    name: basename(at).replace(/\.jsonl$/, ""),
    queries,
    files: folder === null ? null : filesOf(folder),
  };
}

function filesOf(folder: string): SourceText[] | null {
  for (const name of ["corpus.jsonl", "corpus.jsonl.gz"]) {
    const file = join(folder, name);
    if (!existsSync(file)) continue;
    const bytes = readFileSync(file);
    return readLines(file, (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString(), CorpusRow);
  }
  const tree = join(folder, "files");
  return existsSync(tree) ? readTree(tree) : null;
}

/** All files below the folder; paths with forward slashes. */
export function readTree(folder: string, patterns: readonly string[] = ["**/*"]): SourceText[] {
  return globSync([...patterns], { cwd: folder })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort()
    .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(join(folder, path), "utf8") }));
}

function readLines<Schema extends z.ZodType>(file: string, text: string, schema: Schema): z.infer<Schema>[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch {
      throw new SetError(`${file}:${i + 1}: not JSON.`);
    }
    const parsed = schema.safeParse(json);
    if (!parsed.success) {
      throw new SetError(`${file}:${i + 1}: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}`);
    }
    return [parsed.data];
  });
}
