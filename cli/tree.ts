import { createHash } from "node:crypto";
import { createReadStream, type Dirent, existsSync, readFileSync, statSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import pMap from "p-map";
import type { SyncFile } from "../client/types.ts";
import { IGNORE_FILE_NAMES, IgnoreRules, MAX_IGNORE_FILE_BYTES } from "../src/files/ignore.ts";
import { CliError } from "./failure.ts";

/** A larger file is not indexed: the server would skip it, so it is not sent. In bytes (api.md). */
export const MAX_FILE_BYTES = 1024 * 1024;
const HASHED_AT_ONCE = 8;

export interface TreeFile {
  /** As the server stores it: below the root, with `/`, in NFC. */
  path: string;
  /** Where it is on this machine. */
  file: string;
  size: number;
}

export interface Tree {
  files: TreeFile[];
  /** Left out, by reason; folders that are left out count once. */
  left: Map<string, number>;
}

/** Errors: `CliError` where there is no such folder. */
export function requireFolder(folder: string): void {
  if (!existsSync(folder)) throw new CliError(`There is no folder ${folder}.`, "Name a folder that exists.");
  if (!statSync(folder).isDirectory())
    throw new CliError(`${folder} is not a folder.`, "Name the folder that it is in.");
}

/**
 * The files of a folder that DevFlow should know, by the very rules that the server applies: .gitignore files (those
 * above the folder too, within its git repository), .devflowignore, and the defaults. Symbolic links are not followed.
 */
export async function listTree(root: string, options: { defaults: boolean; prefix: string }): Promise<Tree> {
  requireFolder(root);
  const start = resolve(root);
  const base = repositoryOf(start) ?? start;
  const within = relative(base, start).split(sep).join("/");
  const rules = new IgnoreRules({
    defaults: options.defaults ? { root: within === "" ? null : within } : false,
  });
  for (const folder of foldersBetween(base, start)) await readRules(rules, base, folder);
  const tree: Tree = { files: [], left: new Map() };
  await walk(start, { base, start, rules, tree, prefix: options.prefix });
  tree.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return tree;
}

interface Walk {
  base: string;
  start: string;
  rules: IgnoreRules;
  tree: Tree;
  prefix: string;
}

async function walk(folder: string, state: Walk): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (folder !== state.start) await readRules(state.rules, state.base, folder);
  await pMap(entries, (entry) => visit(join(folder, entry.name), entry, state), { concurrency: 16 });
}

async function visit(file: string, entry: Dirent, state: Walk): Promise<void> {
  const { base, start, rules, tree, prefix } = state;
  const slashed = relative(base, file).split(sep).join("/");
  if (entry.name === ".git") return;
  if (entry.isDirectory()) {
    // A name that cannot stand in a folder that is kept: what it answers is what the rules say of the folder.
    if (rules.check(`${slashed}/\u0001`) !== null) leave(tree, "ignored");
    else await walk(file, state);
    return;
  }
  if (!entry.isFile()) return leave(tree, entry.isSymbolicLink() ? "symbolic link" : "not a file");
  const verdict = rules.check(slashed);
  if (verdict !== null) return leave(tree, verdict.reason);
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) return leave(tree, "too_large");
  if (size === 0) return leave(tree, "empty");
  const below = relative(start, file).split(sep).join("/").normalize("NFC");
  tree.files.push({ path: prefix === "" ? below : `${prefix}/${below}`, file, size });
}

function leave({ left }: Tree, reason: string): void {
  left.set(reason, (left.get(reason) ?? 0) + 1);
}

async function readRules(rules: IgnoreRules, base: string, folder: string): Promise<void> {
  for (const name of IGNORE_FILE_NAMES) {
    const file = join(folder, name);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined || size > MAX_IGNORE_FILE_BYTES) continue;
    rules.add(relative(base, file).split(sep).join("/"), readFileSync(file, "utf8"));
  }
}

function repositoryOf(folder: string): string | null {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (dirname(at) === at) return null;
  }
}

function foldersBetween(base: string, start: string): string[] {
  const folders = [start];
  while (folders[0] !== undefined && folders[0] !== base) folders.unshift(dirname(folders[0]));
  return folders;
}

/** SHA-256 of each file, several at once. */
export async function hashTree(
  files: readonly TreeFile[],
  options: { signal: AbortSignal; onHashed(file: TreeFile): void },
): Promise<SyncFile[]> {
  return pMap(
    files,
    async (file) => {
      const sha256 = await hashFile(file.file, options.signal);
      options.onHashed(file);
      return { path: file.path, sha256, size: file.size };
    },
    { concurrency: HASHED_AT_ONCE, signal: options.signal },
  );
}

async function hashFile(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(file, { signal })) hash.update(part as Buffer);
  return hash.digest("hex");
}
