import { mapBounded, slices } from "../core/bounded.ts";
import { decodeText } from "../core/decode.ts";
import { blobKey } from "../db/blob-garbage.ts";
import type { Database } from "../db/database.ts";
import { selectFiles } from "../db/files.ts";
import { IGNORE_FILE_NAMES, type IgnoreOptions, IgnoreRules, MAX_IGNORE_FILE_BYTES } from "./ignore.ts";

export interface StoredIgnoresDeps {
  db: Database;
  blobs: R2Bucket;
}

/** Paths looked up at once: a parameter has 2 MB at the most, and a path 1,024 bytes. */
const PATHS_AT_ONCE = 1_500;
/** Blobs read side by side: the platform opens six connections at once. */
const READERS = 4;

/** The ignore files that a workspace holds in the folders above these paths, as rules. */
export async function storedIgnoreRules(
  deps: StoredIgnoresDeps,
  workspaceId: string,
  paths: Iterable<string>,
  options: IgnoreOptions,
): Promise<IgnoreRules> {
  const rules = new IgnoreRules(options);
  await addStoredIgnores(deps, workspaceId, ignoreFilesAbove(paths), rules);
  return rules;
}

/** Adds those of the ignore files that the workspace holds, the nearest to the root first. */
export async function addStoredIgnores(
  deps: StoredIgnoresDeps,
  workspaceId: string,
  ignoreFiles: readonly string[],
  rules: IgnoreRules,
): Promise<void> {
  const stored = await mapBounded(slices(ignoreFiles, PATHS_AT_ONCE), READERS, (some) =>
    selectFiles(deps.db, workspaceId, some),
  );
  const rows = stored
    .flat()
    .filter(({ blob, size }) => blob !== null && size <= MAX_IGNORE_FILE_BYTES)
    .toSorted((a, b) => a.path.length - b.path.length || (a.path < b.path ? -1 : 1));
  const texts = await mapBounded(rows, READERS, async ({ blob }) => {
    const object = await deps.blobs.get(blobKey(workspaceId, blob ?? ""));
    return object === null ? null : ignoreText(new Uint8Array(await object.arrayBuffer()));
  });
  for (const [i, { path }] of rows.entries()) {
    const text = texts[i] ?? null;
    if (text !== null) rules.add(path, text);
  }
}

/** The text of an ignore file; null where it is not read, being too large or no text. */
export function ignoreText(bytes: Uint8Array): string | null {
  if (bytes.length > MAX_IGNORE_FILE_BYTES) return null;
  const decoded = decodeText(bytes);
  return decoded.ok ? decoded.text : null;
}

/** Where ignore files that govern the paths may stand. */
export function ignoreFilesAbove(paths: Iterable<string>): string[] {
  const folders = new Set<string>([""]);
  for (const path of paths) {
    // The folders above a known one are known.
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const folder = path.slice(0, at + 1);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return [...folders].flatMap((folder) => IGNORE_FILE_NAMES.map((name) => folder + name));
}
