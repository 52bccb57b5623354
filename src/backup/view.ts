import type { Cursors } from "../core/cursor.ts";
import { DevFlowError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { type BackupRow, listBackups, selectBackup, selectParts } from "../db/backups.ts";
import type { Database } from "../db/database.ts";
import { layout, type Segment, sizeOf } from "./archive-format.ts";
import { manifestOf } from "./create.ts";

/** Errors: `not_found`. */
export async function getBackup(deps: { db: Database }, id: string): Promise<BackupRow> {
  const [row] = await selectBackup(deps.db, id);
  if (row === undefined) throw new DevFlowError("not_found", "There is no such backup.");
  return row;
}

/** Newest first. Errors: `invalid_cursor`. */
export async function pageOfBackups(
  deps: { db: Database; cursors: Cursors },
  page: { limit: number; cursor: string | null },
): Promise<{ items: BackupRow[]; nextCursor: string | null }> {
  const scope = ["root", "backups"];
  const before = page.cursor === null ? null : String((await deps.cursors.open(scope, page.cursor))[0]);
  const rows = await listBackups(deps.db, before, page.limit + 1);
  const items = rows.slice(0, page.limit);
  const last = rows.length > page.limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? await deps.cursors.sign(scope, [last.id]) : null };
}

export interface Archive {
  /** SHA-256 of its manifest. */
  etag: string;
  bytes: number;
  /** Its bytes from `start` on, `length` of them. @param background takes the work of sending. */
  read(start: number, length: number, background: (work: Promise<unknown>) => void): ReadableStream;
}

/** A backup as one file. Its objects are put together as they are read. Errors: `not_found`, `conflict`. */
export async function openArchive(deps: { db: Database; blobs: R2Bucket }, id: string): Promise<Archive> {
  const backup = await getBackup(deps, id);
  if (backup.status !== "succeeded" || backup.bytes === null || backup.manifestSha256 === null) {
    throw new DevFlowError("conflict", `The backup is ${backup.status}; it has no content.`);
  }
  const parts = await selectParts(deps.db, id);
  const keys = new Map(parts.map(({ part, key }) => [part, key]));
  const segments = await layout(await manifestOf(deps, backup, parts), sha256Hex);
  return {
    etag: backup.manifestSha256,
    bytes: backup.bytes,
    read(start, length, background) {
      const { readable, writable } = new FixedLengthStream(length);
      const sending = send(deps.blobs, { segments, keys }, { start, length }, writable);
      // A client that goes away is no failure of ours.
      background(sending.catch((error: unknown) => writable.abort(error).catch(() => {})));
      return readable;
    },
  };
}

async function send(
  blobs: R2Bucket,
  { segments, keys }: { segments: readonly Segment[]; keys: ReadonlyMap<number, string> },
  { start, length }: { start: number; length: number },
  writable: WritableStream<Uint8Array>,
): Promise<void> {
  const end = start + length;
  let at = 0;
  for (const segment of segments) {
    const size = sizeOf(segment);
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, size);
    at += size;
    if (from >= to) continue;
    if ("bytes" in segment) {
      const writer = writable.getWriter();
      await writer.write(segment.bytes.subarray(from, to));
      writer.releaseLock();
      continue;
    }
    const object = await blobs.get(keys.get(segment.part) ?? "", {
      range: { offset: from, length: to - from },
    });
    if (object === null) throw new Error(`part ${segment.part} of the backup is gone`);
    await object.body.pipeTo(writable, { preventClose: true });
  }
  await writable.close();
}
