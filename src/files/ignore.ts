import { DevFlowError } from "../core/errors.ts";
import { utf8Units, type Work } from "../core/wildmatch.ts";
import { DEFAULT_GENERATED, DEFAULT_IGNORED } from "./default-ignores.ts";
import { IgnoreFile } from "./ignore-file.ts";

/**
 * Which files of a tree are left out. Pure, and without imports of the Worker: the command line applies the same rules
 * before it sends anything.
 */

/** Git's own, and ours with the same syntax, which is stronger than any `.gitignore`. */
export const IGNORE_FILE_NAMES = [".gitignore", ".devflowignore"] as const;

/** A larger ignore file is not read: git's largest templates have 10 KB. In bytes. */
export const MAX_IGNORE_FILE_BYTES = 64 * 1024;
/** Patterns of all ignore files together: each file of an upload may have to be compared with all of them. */
export const MAX_IGNORE_PATTERNS = 5_000;
/**
 * Steps of wildcards over all files of a tree: some seconds. An ordinary file takes about 500, so a hundred thousand
 * take an eighth of it; patterns that are made to take long, all of it with a few hundred files.
 */
const MAX_IGNORE_STEPS = 400_000_000;

const MAX_REMEMBERED_FOLDERS = 10_000;

export function isIgnoreFile(path: string): boolean {
  return (IGNORE_FILE_NAMES as readonly string[]).includes(path.slice(path.lastIndexOf("/") + 1));
}

/** Why a file is left out; the message names the line that says so. */
export interface IgnoreVerdict {
  reason: "ignored" | "generated";
  message: string;
}

interface Layer {
  /** Folder with its slash at the end; empty for the workspace. */
  base: string;
  source: string | null;
  reason: IgnoreVerdict["reason"];
  rules: IgnoreFile;
}

export interface IgnoreOptions {
  /**
   * Folder that the default patterns count from (null: the workspace), for names below it alone: who names a folder
   * such as `vendor/ours` means it. False switches them off.
   */
  defaults: { root: string | null } | false;
  /** Default: `MAX_IGNORE_STEPS`. */
  maxSteps?: number;
}

/**
 * The rules of a tree, to be asked about files of it in any order. Weakest first: the defaults, each `.gitignore`
 * from the root down, each `.devflowignore` from the root down; the strongest that matches decides. What is below a
 * folder that is left out is left out with it, and ignore files in there say nothing, as in git.
 */
export class IgnoreRules {
  readonly #defaults: Layer[];
  readonly #files = new Map<string, Layer>();
  readonly #folders = new Map<string, IgnoreVerdict | null>();
  readonly #work: Work = { steps: 0 };
  readonly #maxSteps: number;
  #patterns = 0;

  constructor({ defaults, maxSteps = MAX_IGNORE_STEPS }: IgnoreOptions) {
    this.#maxSteps = maxSteps;
    const base = defaults === false || defaults.root === null ? "" : `${defaults.root}/`;
    const layer = (reason: Layer["reason"], text: string): Layer => ({
      base,
      source: null,
      reason,
      rules: new IgnoreFile(text, this.#work),
    });
    this.#defaults =
      defaults === false ? [] : [layer("ignored", DEFAULT_IGNORED), layer("generated", DEFAULT_GENERATED)];
  }

  /**
   * Adds an ignore file, or puts it in the place of the one at the same path.
   * @returns false where it is not read: it would go past `MAX_IGNORE_PATTERNS`.
   */
  add(path: string, text: string): boolean {
    const rules = new IgnoreFile(text, this.#work);
    const patterns = this.#patterns + rules.size - (this.#files.get(path)?.rules.size ?? 0);
    if (patterns > MAX_IGNORE_PATTERNS) return false;
    this.#patterns = patterns;
    const base = path.slice(0, path.lastIndexOf("/") + 1);
    this.#files.set(path, { base, source: path, reason: "ignored", rules });
    this.#folders.clear();
    return true;
  }

  /**
   * Why the file is left out, or null. Ignore files themselves never are, unless a folder above them is: they are the
   * rules of the next upload. Errors: `unsupported_pattern` where the patterns take too long.
   */
  check(path: string): IgnoreVerdict | null {
    return this.#folder(parentOf(path)) ?? (isIgnoreFile(path) ? null : this.#decide(path, false));
  }

  /** What a line says of the file or folder itself; `check` without its exception, as `git check-ignore` answers. */
  excludes(path: string): boolean {
    return (this.#folder(parentOf(path)) ?? this.#decide(path, false)) !== null;
  }

  #folder(path: string): IgnoreVerdict | null {
    if (path === "") return null;
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const verdict = this.#folder(parentOf(path)) ?? this.#decide(path, true);
    // An archive can have millions of different folders.
    if (this.#folders.size >= MAX_REMEMBERED_FOLDERS) this.#folders.clear();
    this.#folders.set(path, verdict);
    return verdict;
  }

  #decide(path: string, folder: boolean): IgnoreVerdict | null {
    const parents = [...foldersAbove(path)];
    for (const name of [".devflowignore", ".gitignore"]) {
      for (const parent of parents) {
        const layer = this.#files.get(parent + name);
        const verdict = layer === undefined ? undefined : this.#ask(layer, path, folder);
        if (verdict !== undefined) return verdict;
      }
    }
    for (const layer of this.#defaults) {
      const verdict = path.startsWith(layer.base) ? this.#ask(layer, path, folder) : undefined;
      if (verdict !== undefined) return verdict;
    }
    return null;
  }

  /** Undefined: it says nothing. Null: it takes the file. */
  #ask(layer: Layer, path: string, folder: boolean): IgnoreVerdict | null | undefined {
    const line = layer.rules.match(utf8Units(path.slice(layer.base.length)), folder);
    if (this.#work.steps > this.#maxSteps) throw tooLong();
    if (line === null) return undefined;
    if (line.negated) return null;
    const { reason, source } = layer;
    const message =
      source === null
        ? `Left out by default (${line.pattern}); use_default_ignores=false takes it.`
        : `Left out by ${source}, line ${line.line} (${line.pattern}).`;
    return { reason, message };
  }
}

function tooLong(): DevFlowError {
  return new DevFlowError(
    "unsupported_pattern",
    "The patterns of the ignore files take too long to follow: shorten those that have many wildcards.",
  );
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** Folders above the path, the nearest first, each with its slash; the last is empty, for the root. */
function* foldersAbove(path: string): Generator<string> {
  for (let at = path.lastIndexOf("/"); at >= 0; at = at === 0 ? -1 : path.lastIndexOf("/", at - 1)) {
    yield path.slice(0, at + 1);
  }
  yield "";
}
