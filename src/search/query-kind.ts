/** What a query looks like: it decides how much the words of it are worth beside its meaning. */
export type QueryKind = "identifier" | "path" | "error" | "question";

/** `getUserByName`, `get_user`, `Task::run`, `user.name()`, `#private`: one run of code, told from a plain word. */
const IDENTIFIER =
  /^[#@$]?[\p{L}_$][\p{L}\p{N}_$]*(?:(?:\.|::|->|#)[\p{L}_$][\p{L}\p{N}_$]*)*!?(?:\(.*\))?;?$/u;
const CODE_LIKE = /[\p{Ll}\p{N}]\p{Lu}|[_$#@]|::|->|\(|\.\p{L}/u;
/** Segments with an extension, or more than one slash: `src/app.ts`, `app.ts`, `src/http/routes`. */
const PATH =
  /^(?:\.{0,2}\/)?(?:[\p{L}\p{N}_@.-]+\/)*[\p{L}\p{N}_@.-]+\.[A-Za-z][A-Za-z0-9]{0,7}$|^(?:\.{0,2}\/)?(?:[\p{L}\p{N}_@.-]+\/){2,}[\p{L}\p{N}_@.-]*$|^(?:[\p{L}\p{N}_@.-]+\/)+$/u;
const ERROR =
  /\b\p{L}*(?:Error|Exception)\b|\b(?:E[A-Z]{4,}|panic(?:ked)?|traceback|segfault|errno)\b|\b(?:cannot|can't|could not|failed to|unable to|must be|is not a|undefined is|expected .+ (?:but|got|found))\b/u;
/** Longer texts that name an error are questions about it, or the log around it. */
const LONGEST_ERROR_WORDS = 25;

/** By form alone; what looks like nothing else is a question. */
export function kindOf(query: string): QueryKind {
  const text = query.trim();
  if (PATH.test(text) && !/^\p{L}+\.\p{L}+\(/u.test(text)) return looksLikePath(text) ? "path" : "identifier";
  if (IDENTIFIER.test(text) && CODE_LIKE.test(text)) return "identifier";
  if (
    text.split(/\s+/).length <= LONGEST_ERROR_WORDS &&
    ERROR.test(text) &&
    !/^(?:how|where|what|why|which|who|when)\b/i.test(text)
  ) {
    return "error";
  }
  return "question";
}

/** `Task.run` is a member rather than a file: without a slash, only what ends as source files do is a path. */
function looksLikePath(text: string): boolean {
  if (text.includes("/")) return true;
  const extension = /\.([A-Za-z0-9]+)$/.exec(text)?.[1] ?? "";
  return EXTENSIONS.has(extension);
}

const EXTENSIONS: ReadonlySet<string> = new Set(
  `c cc cpp cs css go h hpp html java js jsx json kt lua md mjs php pl py rb rs scala scss sh sql svelte swift toml ts
   tsx vue xml yaml yml`.split(/\s+/),
);
