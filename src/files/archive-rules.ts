import { decodeText } from "../core/decode.ts";
import type { JobRow } from "../db/jobs.ts";
import { type Archive, type ArchiveEntry, ArchiveError } from "./archive-entry.ts";
import { IgnoreRules, isIgnoreFile, MAX_IGNORE_FILE_BYTES, MAX_IGNORE_PATTERNS } from "./ignore.ts";
import { addStoredIgnores, ignoreFilesAbove, type StoredIgnoresDeps } from "./stored-ignores.ts";
import { pathBelow } from "./upload-group.ts";

/**
 * The ignore rules of an archive: its ignore files, wherever in it they stand, those that the workspace holds in the
 * folder that it is unpacked to and above, and the defaults. Reads the archive from end to end, so that one that is
 * malformed is refused before anything of it is taken.
 * @param options `verify`: each entry's content is checked, too.
 * Errors: `ArchiveError`, also for ignore files that are too large to be followed: what they leave out must not leak.
 */
export async function archiveRules(
  deps: StoredIgnoresDeps,
  archive: Archive,
  { workspaceId, spec }: Pick<JobRow, "workspaceId" | "spec">,
  options: { verify: boolean },
): Promise<IgnoreRules> {
  const folder = spec.path ?? null;
  const rules = new IgnoreRules({ defaults: spec.useDefaultIgnores === false ? false : { root: folder } });
  // First, so that those of the archive take the place of older ones.
  await addStoredIgnores(deps, workspaceId, ignoreFilesAbove([folder === null ? "" : `${folder}/`]), rules);
  const added = new Set<string>();
  for await (const entry of archive.entries()) {
    if (entry.special !== null) continue;
    const path = isIgnoreFile(entry.name) ? pathBelow(folder, entry.name) : null;
    if (path?.ok && !added.has(path.path)) {
      added.add(path.path);
      const text = await ignoreText(entry);
      if (text !== null && !rules.add(path.path, text)) {
        throw new ArchiveError(`The archive's ignore files have over ${MAX_IGNORE_PATTERNS} patterns.`);
      }
    } else if (options.verify) await entry.verify();
  }
  return rules;
}

/** Null for one that is no text: git finds no pattern in it either. */
async function ignoreText(entry: ArchiveEntry): Promise<string | null> {
  const content = await entry.read();
  if (content.kind === "large" || content.bytes.length > MAX_IGNORE_FILE_BYTES) {
    throw new ArchiveError(
      `An ignore file is larger than ${MAX_IGNORE_FILE_BYTES} bytes: ${JSON.stringify(entry.name.slice(0, 100))}.`,
    );
  }
  const decoded = decodeText(content.bytes);
  return decoded.ok ? decoded.text : null;
}
