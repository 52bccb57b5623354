import type { Cursors } from "../core/cursor.ts";
import { decodeText } from "../core/decode.ts";
import { DevFlowError } from "../core/errors.ts";
import type { FileSymbols, WorkspaceIndex } from "../core/ports.ts";
import { blobKey } from "../db/blob-garbage.ts";
import type { Database } from "../db/database.ts";
import { type FileRow, listFiles, selectFile } from "../db/files.ts";

export interface ReadDeps {
  db: Database;
  blobs: R2Bucket;
  cursors: Cursors;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
}

/** Stored files, by path. Errors: `invalid_cursor`. */
export async function pageOfFiles(
  deps: Pick<ReadDeps, "db" | "cursors">,
  workspaceId: string,
  page: { selector: string | null; limit: number; cursor: string | null },
): Promise<{ items: FileRow[]; nextCursor: string | null }> {
  const scope = [workspaceId, "files", page.selector ?? ""];
  const after = page.cursor === null ? null : String((await deps.cursors.open(scope, page.cursor))[0]);
  const rows = await listFiles(deps.db, workspaceId, page.selector, after, page.limit + 1);
  const items = rows.slice(0, page.limit);
  const last = rows.length > page.limit ? items.at(-1) : undefined;
  return { items, nextCursor: last === undefined ? null : await deps.cursors.sign(scope, [last.path]) };
}

/** One file and the symbols that the index knows of it. Errors: `not_found`. */
export async function fileInfo(
  deps: Pick<ReadDeps, "db" | "workspaceIndex">,
  workspaceId: string,
  path: string,
): Promise<{ file: FileRow; symbols: FileSymbols }> {
  const [[file], symbols] = await Promise.all([
    selectFile(deps.db, workspaceId, path),
    deps.workspaceIndex(workspaceId).symbols(path),
  ]);
  if (file === undefined) throw noSuchFile();
  return { file, symbols };
}

/** Lines of a file, 1-based and inclusive, counted by LF; null leaves an end open. */
export interface LineRange {
  startLine: number | null;
  endLine: number | null;
}

/**
 * The row of a file whose text is stored. Apart from `fileText`, so that a caller that has the text needs none.
 * Errors: `not_found`, for a skipped file too: its bytes are not kept.
 */
export async function storedFile(
  deps: Pick<ReadDeps, "db">,
  workspaceId: string,
  path: string,
): Promise<FileRow> {
  const [file] = await selectFile(deps.db, workspaceId, path);
  if (file === undefined) throw noSuchFile();
  if (file.blob === null) {
    throw new DevFlowError(
      "not_found",
      `The file was skipped (${file.skipReason ?? "unknown"}), so its content is not stored.`,
    );
  }
  return file;
}

/**
 * The decoded text of a stored file, or of some of its lines. An end past the last line is the last line.
 * Errors: `invalid_request` for a start past the last line or after the end; `not_found` where it was replaced or
 * deleted while it was read.
 */
export async function fileText(
  deps: Pick<ReadDeps, "blobs">,
  file: FileRow,
  range: LineRange,
): Promise<string> {
  const object = await deps.blobs.get(blobKey(file.workspaceId, file.blob ?? ""));
  if (object === null) throw noSuchFile();
  const decoded = decodeText(new Uint8Array(await object.arrayBuffer()));
  if (!decoded.ok) throw new Error("a stored file cannot be decoded any more");
  return linesOf(decoded.text, range);
}

/** @returns the lines with their ends, exactly as they stand. */
export function linesOf(text: string, { startLine, endLine }: LineRange): string {
  if (startLine === null && endLine === null) return text;
  const start = startLine ?? 1;
  if (endLine !== null && endLine < start) throw badRange("end_line is before start_line.");
  const ends: number[] = [];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) ends.push(at + 1);
  if (ends.at(-1) !== text.length) ends.push(text.length);
  if (start > ends.length) throw badRange(`start_line is past the end: the file has ${ends.length} lines.`);
  const from = start === 1 ? 0 : ends[start - 2];
  return text.slice(from, ends[Math.min(endLine ?? ends.length, ends.length) - 1]);
}

function badRange(message: string): DevFlowError {
  return new DevFlowError("invalid_request", `/query/start_line: ${message}`, {
    errors: [{ pointer: "/query/start_line", message }],
  });
}

function noSuchFile(): DevFlowError {
  return new DevFlowError("not_found", "No file is stored at this path.");
}
