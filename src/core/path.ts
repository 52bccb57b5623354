import { DevFlowError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * Paths of stored files: relative to the workspace, `/`-separated, NFC. A path is a name and nothing else:
 * it never touches a file system, and no part of it is resolved or decoded again.
 */
export type PathCheck = { ok: true; path: string } | { ok: false; rule: string };

/** Checks the rules of a file path. `rule` says in words which one is broken. */
export function checkPath(raw: string): PathCheck {
  if (raw === "") return broken("it is empty");
  if (!raw.isWellFormed()) return broken("it is not valid UTF-8");
  // NFC shortens at most four code points to one; anything longer cannot come within the limit.
  if (raw.length > LIMITS.pathBytes * 4) return broken(tooLong);
  const path = raw.normalize("NFC");
  if (path.includes("\0")) return broken("it holds a NUL character");
  if (/\p{Cc}/u.test(path)) return broken("it holds a control character");
  if (path.includes("\\")) return broken("it holds a backslash; separate with /");
  if (path.startsWith("/")) return broken("it is absolute");
  if (/^[A-Za-z]:/.test(path)) return broken("it begins with a drive letter");
  if (new TextEncoder().encode(path).length > LIMITS.pathBytes) return broken(tooLong);
  const segments = path.split("/");
  if (segments.length > LIMITS.pathSegments) return broken(`it has over ${LIMITS.pathSegments} segments`);
  if (segments.includes("")) return broken("it has an empty segment");
  if (segments.includes(".")) return broken("it has a . segment");
  if (segments.includes("..")) return broken("it has a .. segment");
  return { ok: true, path };
}

const tooLong = `it is longer than ${LIMITS.pathBytes} bytes`;
const broken = (rule: string): PathCheck => ({ ok: false, rule });

/** The path in NFC. Errors: `invalid_path`, whose detail names the rule. */
export function parsePath(raw: string): string {
  const checked = checkPath(raw);
  if (checked.ok) return checked.path;
  throw new DevFlowError("invalid_path", `Invalid file path: ${checked.rule}.`);
}

/**
 * A path that selects a file, or all files below a folder; null selects everything (`.` or absent).
 * Errors: `invalid_path`.
 */
export function parseSelector(raw: string | undefined): string | null {
  return raw === undefined || raw === "." ? null : parsePath(raw);
}

/** Whether the selector names the file or a folder above it: `src` selects `src/a`, never `src-old/a`. */
export function selects(selector: string | null, path: string): boolean {
  return selector === null || path === selector || path.startsWith(`${selector}/`);
}

/**
 * Bounds of the paths below a folder, for `path >= from AND path < to` in SQL: LIKE stops at 50 bytes.
 * `0` is the character after `/`, and SQLite compares text by its UTF-8 bytes.
 */
export function below(folder: string): { from: string; to: string } {
  return { from: `${folder}/`, to: `${folder}0` };
}

/** A refused path in a form that can be stored and shown: no control characters, bounded length. */
export function displayPath(raw: string): string {
  const shown = raw
    .slice(0, LIMITS.pathBytes)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, "\uFFFD");
  return shown === "" ? "(no name)" : shown;
}
