import type { Logger } from "../core/log.ts";
import type { Database } from "../db/database.ts";
import {
  type DeletionRow,
  type FileDeletion,
  selectFileDeletions,
  selectWorkspaceDeletions,
} from "../db/deletions.ts";

/**
 * Deletions are noted beside D1, so that a backup that is older than they are can be restored without what was deleted
 * since: `deletions/<time of the last>-<number>.jsonl` in R2, and `deletions-noted.json` with how far that is done.
 */
const PREFIX = "deletions/";
const NOTED = "deletions-noted.json";
const PAGE_ROWS = 5_000;
/** Of one run; the next one goes on. */
const PAGES = 20;
/** A batch is written a little later than the time in it says: what is this young is looked at twice. */
const OVERLAP_MS = 60_000;
/** A day longer than any backup is kept. */
const KEPT_MS = 31 * 86_400_000;
const OBJECTS = 1_000;

export interface DeletionsDeps {
  db: Database;
  blobs: R2Bucket;
  log: Logger;
  now(): number;
}

/** Notes what was deleted since the last time, and forgets what no backup holds any more. @returns how many. */
export async function noteDeletions(deps: Pick<DeletionsDeps, "db" | "blobs" | "now">): Promise<number> {
  const now = deps.now();
  const from = Math.max((await notedUntil(deps.blobs)) - OVERLAP_MS, 0);
  const workspaces = await selectWorkspaceDeletions(deps.db, from);
  if (workspaces.length > 0) await writeDeletions(deps.blobs, workspaces, now);
  let count = workspaces.length;
  let after: FileDeletion | null = null;
  let until = now;
  for (let page = 0; page < PAGES; page++) {
    const rows: FileDeletion[] = await selectFileDeletions(deps.db, { from, after, limit: PAGE_ROWS });
    if (rows.length > 0) await writeDeletions(deps.blobs, rows, now);
    count += rows.length;
    after = rows.at(-1) ?? after;
    if (rows.length < PAGE_ROWS) break;
    if (page === PAGES - 1 && after !== null) until = after.deletedAt + OVERLAP_MS;
  }
  await deps.blobs.put(NOTED, JSON.stringify({ until }));
  await forgetDeletions(deps.blobs, now - KEPT_MS);
  return count;
}

/**
 * Deletions from the time on, as lines of JSON, some twice, and some earlier ones; the last line says until when they
 * are known. Read from R2 alone: where D1 is lost, this is what is left of it.
 */
export function readDeletions(deps: DeletionsDeps, since: number): ReadableStream<Uint8Array> {
  const lines = linesOf(deps, since);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await lines.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function* linesOf(deps: DeletionsDeps, since: number): AsyncGenerator<Uint8Array> {
  try {
    await noteDeletions(deps);
  } catch (error) {
    deps.log.error("deletions could not be noted; those that were are given", error);
  }
  let cursor: string | undefined;
  do {
    const page = await deps.blobs.list({
      prefix: PREFIX,
      startAfter: `${PREFIX}${timeName(since)}`,
      limit: OBJECTS,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const { key } of page.objects) {
      const object = await deps.blobs.get(key);
      if (object !== null) yield new Uint8Array(await object.arrayBuffer());
    }
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  const until = new Date(await notedUntil(deps.blobs)).toISOString();
  yield new TextEncoder().encode(`${JSON.stringify({ until })}\n`);
}

async function notedUntil(blobs: R2Bucket): Promise<number> {
  const noted = await (await blobs.get(NOTED))?.json<{ until: number }>();
  return noted?.until ?? 0;
}

/** Written again, the same rows have the same name but for the time of the run. */
async function writeDeletions(blobs: R2Bucket, rows: readonly DeletionRow[], now: number): Promise<void> {
  const [first, last] = [rows[0], rows.at(-1)];
  const kind = first?.path === null ? "workspaces" : "files";
  const text = rows.map(
    ({ workspaceId, path, generation, deletedAt }) =>
      `${JSON.stringify({ workspace_id: workspaceId, path, generation, deleted_at: deletedAt })}\n`,
  );
  await blobs.put(`${PREFIX}${timeName(last?.deletedAt ?? 0)}-${kind}-${timeName(now)}.jsonl`, text.join(""));
}

async function forgetDeletions(blobs: R2Bucket, before: number): Promise<void> {
  const { objects } = await blobs.list({ prefix: PREFIX, limit: OBJECTS });
  const old = objects.map(({ key }) => key).filter((key) => key < `${PREFIX}${timeName(before)}`);
  if (old.length > 0) await blobs.delete(old);
}

/** Sorts as the time does. */
function timeName(milliseconds: number): string {
  return String(milliseconds).padStart(15, "0");
}
