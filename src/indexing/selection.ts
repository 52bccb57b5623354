import { DevFlowError } from "../core/errors.ts";
import { compileGlob, type Glob } from "../core/glob.ts";
import { extensionOf } from "../core/languages.ts";
import { LIMITS } from "../core/limits.ts";
import type { FileRow } from "../db/files.ts";
import type { JobSpec } from "../db/schema.ts";
import type { Held } from "./held.ts";

/** Which stored files an index job takes, beside the path that the database selects by. */
export interface FileFilter {
  takes(path: string): boolean;
  /** Characters of its patterns: for each character of a path, a look takes at most so many steps. */
  cost: number;
}

/**
 * The filter of a job's spec: extensions, patterns to leave out, and whether folders below count.
 * Errors: `unsupported_pattern`.
 */
export function fileFilter(spec: JobSpec): FileFilter {
  const extensions = new Set((spec.extensions ?? []).map(normaliseExtension));
  const excluded = (spec.excludePatterns ?? []).map(parsePattern);
  const cost = excluded.reduce((sum, glob) => sum + glob.cost, 0);
  if (cost > LIMITS.excludeCharacters) {
    const detail = `The patterns have ${cost} characters with all their alternatives; ${LIMITS.excludeCharacters} are taken.`;
    throw new DevFlowError("unsupported_pattern", detail);
  }
  const folder = spec.path === undefined || spec.path === "." ? "" : `${spec.path}/`;
  const takes = (path: string) => {
    if (extensions.size > 0 && !extensions.has(extensionOf(path))) return false;
    if (spec.recursive === false && path.startsWith(folder) && path.slice(folder.length).includes("/")) {
      return false;
    }
    return !excluded.some((glob) => glob.matches(path));
  };
  return { takes, cost };
}

/** Whether the spec takes every file of the workspace: only then may the embedding model change with it. */
export function selectsEverything(spec: JobSpec): boolean {
  return (
    (spec.path === undefined || spec.path === ".") &&
    spec.recursive !== false &&
    (spec.extensions ?? []).length === 0 &&
    (spec.excludePatterns ?? []).length === 0 &&
    spec.maxFileSize === undefined
  );
}

/** What an index job does with a stored file that it selects. */
export type Treatment =
  | { action: "index" }
  | { action: "leave"; status: "unchanged" | "skipped"; reason: string | null; message: string | null };

/** @param held what index and vector store hold of the file, or undefined where they hold nothing. */
export function treatmentOf(row: FileRow, spec: JobSpec, held: Held | undefined): Treatment {
  if (spec.maxFileSize !== undefined && row.size > spec.maxFileSize) {
    const message = `It is larger than max_file_size (${row.size} bytes).`;
    return { action: "leave", status: "skipped", reason: "too_large", message };
  }
  // Nothing is stored of it, so there is nothing to index.
  if (row.blob === null) {
    return { action: "leave", status: "skipped", reason: row.skipReason, message: row.error };
  }
  if (spec.force === true) return { action: "index" };
  if (row.status === "skipped") {
    return { action: "leave", status: "skipped", reason: row.skipReason, message: row.error };
  }
  return row.status === "indexed" && isWhole(row, held)
    ? { action: "leave", status: "unchanged", reason: null, message: null }
    : { action: "index" };
}

/** Whether the index has the chunks that the row says, of the same version, and each its vector. */
function isWhole(row: FileRow, held: Held | undefined): boolean {
  return held?.generation === row.generation && held.chunks === row.chunks && held.withoutVector === 0;
}

/** An extension as callers may write it, with or without its dot and in any case, as `extensionOf` gives it. */
function normaliseExtension(extension: string): string {
  return extension.replace(/^\./, "").toLowerCase();
}

function parsePattern(pattern: string): Glob {
  const glob = compileGlob(pattern);
  if (glob !== null) return glob;
  throw new DevFlowError("unsupported_pattern", `The pattern ${JSON.stringify(pattern)} cannot be used.`);
}
