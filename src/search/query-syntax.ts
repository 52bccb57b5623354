import { CHUNK_KINDS, type ChunkKind } from "../core/chunk.ts";
import { DevFlowError } from "../core/errors.ts";
import { languageNamed } from "../core/languages.ts";
import { parsePath, selects } from "../core/path.ts";
import type { ChunkFilter } from "../core/ports.ts";

/** A query as it was typed, taken apart. */
export interface ParsedQuery {
  /** What is looked for: all but operators and exclusions, quotes included. */
  text: string;
  /** What stands between double quotes, in order. */
  phrases: string[];
  /** Words and phrases that a result must not hold. */
  excluded: string[];
  /** What `path:`, `lang:`, `ext:` and `kind:` ask for. Lists: any of; several paths: below all of them. */
  paths: string[];
  languages: string[];
  extensions: string[];
  kinds: ChunkKind[];
}

/** More exclusions than anybody types; each costs the index a list. */
const MAX_EXCLUDED = 20;

/**
 * A quoted phrase, in which nothing is read; or, at the start of a word, an operator with its value, or an exclusion.
 * An exclusion begins with a letter, so that `-1`, `->` and `--flag` are none, and has two characters at least.
 */
const PARTS =
  /"([^"]*)"|(?<=^|\s)(?:(path|lang|language|ext|extension|kind):(?:"([^"]*)"|([^\s"]+))|-(?:"([^"]+)"|([\p{L}_$][^\s"]+)))(?=\s|$)/giu;

/**
 * Takes a query apart. Pure, and total but for operators whose value cannot be one.
 * Errors: `invalid_path`; `invalid_request` for an unknown kind, or where nothing is left to look for.
 */
export function parseQuery(query: string): ParsedQuery {
  const parsed: ParsedQuery = {
    text: "",
    phrases: [],
    excluded: [],
    paths: [],
    languages: [],
    extensions: [],
    kinds: [],
  };
  let rest = "";
  let at = 0;
  for (const match of query.matchAll(PARTS)) {
    const [whole, phrase, operator, quotedValue, value, quotedExcluded, excluded] = match;
    if (phrase !== undefined) {
      if (phrase.trim() !== "") parsed.phrases.push(phrase);
      continue;
    }
    rest += query.slice(at, match.index);
    at = match.index + whole.length;
    if (operator !== undefined) addOperator(parsed, operator.toLowerCase(), quotedValue ?? value ?? "");
    else if (parsed.excluded.length < MAX_EXCLUDED) parsed.excluded.push(quotedExcluded ?? excluded ?? "");
  }
  parsed.text = (rest + query.slice(at)).trim();
  if (parsed.text === "") throw refused("The query names nothing to look for beside its operators.");
  return parsed;
}

function addOperator(parsed: ParsedQuery, operator: string, value: string): void {
  if (operator === "path") {
    const path = value.replace(/^(?:\.\/)+/, "").replace(/\/+$/, "");
    if (path !== "" && path !== ".") parsed.paths.push(parsePath(path));
    return;
  }
  for (const item of value.toLowerCase().split(",")) {
    if (item === "") continue;
    if (operator.startsWith("lang")) parsed.languages.push(languageNamed(item));
    else if (operator.startsWith("ext")) parsed.extensions.push(item.replace(/^\./, ""));
    else parsed.kinds.push(kindNamed(item));
  }
}

const KIND_ALIASES: Readonly<Record<string, ChunkKind>> = {
  func: "function",
  fn: "function",
  def: "function",
  var: "variable",
  const: "variable",
};

function kindNamed(name: string): ChunkKind {
  if (Object.hasOwn(KIND_ALIASES, name)) return KIND_ALIASES[name] ?? "block";
  const kind = CHUNK_KINDS.find((one) => one === name);
  if (kind !== undefined) return kind;
  throw refused(`kind: takes one of ${CHUNK_KINDS.join(", ")}.`);
}

function refused(message: string): DevFlowError {
  return new DevFlowError("invalid_request", message, { errors: [{ pointer: "/query", message }] });
}

/** The filter of the request and the operators of its query, both of which hold; null where nothing can pass both. */
export function narrowed(filter: ChunkFilter, query: ParsedQuery): ChunkFilter | null {
  const path = deepest([...(filter.path === null ? [] : [filter.path]), ...query.paths]);
  const languages = both(filter.languages, query.languages);
  const extensions = both(filter.extensions, query.extensions);
  const kinds = both(filter.kinds, query.kinds);
  if (path === undefined || languages === null || extensions === null || kinds === null) return null;
  return { path, languages, extensions, kinds };
}

/** The path that lies below all others; null for none, undefined where they lie apart. */
function deepest(paths: string[]): string | null | undefined {
  let deepest: string | null = null;
  for (const path of paths) {
    if (deepest === null || selects(deepest, path)) deepest = path;
    else if (!selects(path, deepest)) return undefined;
  }
  return deepest;
}

/** Empty lists restrict nothing; null where no value passes both. */
function both<T>(one: T[], other: T[]): T[] | null {
  if (one.length === 0) return [...new Set(other)];
  if (other.length === 0) return one;
  const shared = one.filter((value) => other.includes(value));
  return shared.length === 0 ? null : shared;
}
