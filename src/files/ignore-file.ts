import { compileWildmatch, hasWildcard, utf8Units, type Wildmatch, type Work } from "../core/wildmatch.ts";

/** A line of an ignore file that matched. */
export interface IgnoreLine {
  /** 1-based. */
  line: number;
  pattern: string;
  negated: boolean;
}

interface Rule extends IgnoreLine {
  foldersOnly: boolean;
  /** On the last segment of a name, or else on the whole of it. */
  basename: boolean;
  matches: Wildmatch;
}

/**
 * One ignore file in git's syntax (gitignore(5), `dir.c`): the last line that matches decides. Plain names and
 * `*.extension`, which most lines are, are looked up; the others are tried from the last one on.
 */
export class IgnoreFile {
  /** Lines that hold a pattern. */
  readonly size: number;
  readonly #byName = new Map<string, Rule[]>();
  readonly #byExtension = new Map<string, Rule[]>();
  readonly #others: Rule[] = [];

  /** @param work counts what its wildcards cost. */
  constructor(text: string, work: Work) {
    const rules = linesOf(text).flatMap((line, i) => parseLine(line, i + 1, work));
    this.size = rules.length;
    for (const rule of rules) {
      if ("name" in rule) add(this.#byName, rule.name, rule);
      else if ("extension" in rule) add(this.#byExtension, rule.extension, rule);
      else this.#others.push(rule);
    }
  }

  /** @param name relative to the file's folder, as `utf8Units`. */
  match(name: string, folder: boolean): IgnoreLine | null {
    const base = name.slice(name.lastIndexOf("/") + 1);
    let best = lastOf(this.#byName.get(base), folder, null);
    const dot = base.lastIndexOf(".");
    if (dot >= 0) best = lastOf(this.#byExtension.get(base.slice(dot)), folder, best);
    for (let i = this.#others.length - 1; i >= 0; i--) {
      const rule = this.#others[i] as Rule;
      if (best !== null && rule.line < best.line) break;
      if ((folder || !rule.foldersOnly) && rule.matches(rule.basename ? base : name)) return rule;
    }
    return best;
  }
}

function add(map: Map<string, Rule[]>, key: string, rule: Rule): void {
  const rules = map.get(key);
  if (rules === undefined) map.set(key, [rule]);
  else rules.push(rule);
}

function lastOf(rules: Rule[] | undefined, folder: boolean, best: Rule | null): Rule | null {
  const last = rules?.findLast(({ foldersOnly }) => folder || !foldersOnly) ?? null;
  return last === null || (best !== null && best.line > last.line) ? best : last;
}

function linesOf(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

type Parsed = Rule | (Rule & { name: string }) | (Rule & { extension: string });

function parseLine(raw: string, line: number, work: Work): Parsed[] {
  if (raw.startsWith("#")) return [];
  let pattern = withoutTrailingSpaces(raw);
  const shown = pattern;
  const negated = pattern.startsWith("!");
  if (negated) pattern = pattern.slice(1);
  const foldersOnly = pattern.endsWith("/");
  if (foldersOnly) pattern = pattern.slice(0, -1);
  const basename = !pattern.includes("/");
  if (pattern.startsWith("/")) pattern = pattern.slice(1);
  if (pattern === "") return [];
  pattern = utf8Units(pattern.normalize("NFC"));
  const rule = { line, pattern: shown, negated, foldersOnly, basename };
  const plain = !hasWildcard(pattern);
  if (plain && basename) return [{ ...rule, name: pattern, matches: (name) => name === pattern }];
  if (plain) return [{ ...rule, matches: (name) => name === pattern }];
  if (basename && /^\*\.[^*?[\\.]+$/.test(pattern)) {
    return [{ ...rule, extension: pattern.slice(1), matches: (name) => name.endsWith(pattern.slice(1)) }];
  }
  const matches = compilePattern(pattern, work);
  return matches === null ? [] : [{ ...rule, matches }];
}

/**
 * What stands before the first wildcard is compared as it is, and the rest is matched by itself: so `foo**` and
 * `/bar` after it reach into folders, as they do in git.
 */
function compilePattern(pattern: string, work: Work): Wildmatch | null {
  const at = pattern.search(/[*?[\\]/);
  const prefix = pattern.slice(0, at);
  const rest = compileWildmatch(pattern.slice(at), work);
  if (rest === null || prefix === "") return rest;
  return (name) => name.startsWith(prefix) && rest(name.slice(prefix.length));
}

/** A space that a backslash stands before is kept. */
function withoutTrailingSpaces(line: string): string {
  let end: number | null = null;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === " ") end ??= i;
    else {
      if (line[i] === "\\" && ++i >= line.length) return line;
      end = null;
    }
  }
  return end === null ? line : line.slice(0, end);
}
