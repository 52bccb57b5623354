import { parseSelector } from "../core/path.ts";
import { blobKey } from "../db/blob-garbage.ts";
import { type FileRow, listFiles } from "../db/files.ts";
import type { JobSpec } from "../db/schema.ts";
import { selectKnownBlobs } from "../db/sweep.ts";
import type { WorkspaceRow } from "../db/workspaces.ts";
import type { IndexingDeps } from "./deps.ts";
import { heldOf } from "./held.ts";
import { type FileFilter, selectsEverything, treatmentOf } from "./selection.ts";
import { isSettled } from "./sweep.ts";

/** What is looked at within the request: stored files, and chunks of the workspace. Beyond, a job finds out. */
const FILES = 4_000;
const CHUNKS = 6_000;
const PAGE = 1_000;
/** Steps of trying paths on patterns, at the worst: some tenths of a second. */
const STEPS = 100_000_000;

type Deps = Pick<IndexingDeps, "db" | "blobs" | "vectors" | "workspaceIndex" | "log" | "now">;

/**
 * Whether an index job would find anything to do: files that are not indexed whole and, where the whole workspace is
 * selected, anything that belongs to no file. True where that would take too long to tell, or a store does not answer.
 */
export async function anythingToDo(
  deps: Deps,
  workspace: WorkspaceRow,
  spec: JobSpec,
  filter: FileFilter,
): Promise<boolean> {
  const rows = await selected(deps, workspace.id, spec, filter);
  if (rows === null) return true;
  if (spec.force === true) return rows.some((row) => treatmentOf(row, spec, undefined).action === "index");
  try {
    return await lacksAnything(deps, workspace, spec, rows);
  } catch (error) {
    deps.log.error("what is held could not be looked up; a job will", error, { workspace_id: workspace.id });
    return true;
  }
}

/** Null where there are too many. */
async function selected(
  { db }: Deps,
  workspaceId: string,
  spec: JobSpec,
  filter: FileFilter,
): Promise<FileRow[] | null> {
  const rows: FileRow[] = [];
  let steps = 0;
  for (let seen = 0, after: string | null = null; ; ) {
    const page: FileRow[] = await listFiles(db, workspaceId, parseSelector(spec.path), after, PAGE);
    steps += page.reduce((sum, { path }) => sum + path.length * filter.cost, 0);
    if (steps > STEPS) return null;
    rows.push(...page.filter(({ path }) => filter.takes(path)));
    seen += page.length;
    if (page.length < PAGE) return rows;
    if (seen >= FILES) return null;
    after = page.at(-1)?.path ?? null;
  }
}

async function lacksAnything(
  deps: Deps,
  workspace: WorkspaceRow,
  spec: JobSpec,
  rows: readonly FileRow[],
): Promise<boolean> {
  // What nothing need be looked up for.
  if (rows.some((row) => row.status !== "indexed" && treatmentOf(row, spec, undefined).action === "index")) {
    return true;
  }
  const stats = await deps.workspaceIndex(workspace.id).stats();
  if (stats.chunks > CHUNKS) return true;
  const { collectionId } = workspace;
  const paths = rows.map(({ path }) => path);
  const [held, vectors] = await Promise.all([
    heldOf(deps, workspace.id, collectionId, paths),
    collectionId === null ? 0 : deps.vectors.count(collectionId),
  ]);
  if (rows.some((row) => treatmentOf(row, spec, held.get(row.path)).action === "index")) return true;
  if (!selectsEverything(spec)) return false;
  // Each chunk of the files has its vector: any more of either belongs to no file.
  const chunks = rows.reduce((sum, { chunks }) => sum + chunks, 0);
  return stats.chunks !== chunks || vectors !== chunks || (await blobsDiffer(deps, workspace.id, rows));
}

/** Whether a file lacks its content, or a stored object its file. */
async function blobsDiffer(deps: Deps, workspaceId: string, rows: readonly FileRow[]): Promise<boolean> {
  const prefix = blobKey(workspaceId, "");
  const wanted = new Set(rows.flatMap(({ blob }) => (blob === null ? [] : [blob])));
  let owned = 0;
  for (let after = ""; ; ) {
    const listed = await deps.blobs.list({ prefix, ...(after === "" ? {} : { startAfter: after }) });
    const blobs = listed.objects.map(({ key }) => key.slice(prefix.length));
    owned += blobs.filter((blob) => wanted.has(blob)).length;
    const others = listed.objects
      .filter((object) => isSettled(object, deps.now()))
      .map(({ key }) => key.slice(prefix.length))
      .filter((blob) => !wanted.has(blob));
    const known = await selectKnownBlobs(deps.db, workspaceId, prefix, others);
    if (known.length < others.length) return true;
    after = listed.objects.at(-1)?.key ?? "";
    if (!listed.truncated) return owned < wanted.size;
  }
}
