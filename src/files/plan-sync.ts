import { DevFlowError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { checkPath, displayPath, selects } from "../core/path.ts";
import { utf8Length } from "../core/tokens.ts";
import {
  insertSync,
  insertSyncFiles,
  type PlannedFile,
  type StoredVersion,
  selectStoredVersions,
} from "../db/syncs.ts";
import { selectWorkspace, type WorkspaceRow } from "../db/workspaces.ts";
import { type Estimate, estimateIndexing } from "./estimate.ts";
import { IgnoreRules, isIgnoreFile } from "./ignore.ts";
import { pairCopies, pairRenames } from "./pair-renames.ts";
import { addStoredIgnores, ignoreFilesAbove, type StoredIgnoresDeps } from "./stored-ignores.ts";

export interface SyncEntry {
  path: string;
  /** Lower-case hexadecimal. */
  sha256: string;
  size: number;
}

export interface PlanSync {
  workspaceId: string;
  bucketId: string;
  /** Folder or file that the sync is of; null is the workspace. */
  selector: string | null;
  files: readonly SyncEntry[];
  useDefaultIgnores: boolean;
}

export interface SyncPlan {
  id: string;
  upload: string[];
  unchanged: number;
  renamed: { from: string; to: string }[];
  copied: { from: string; to: string }[];
  missing: string[];
  skipped: { path: string; reason: string }[];
  estimate: Estimate;
  expiresAt: number;
}

export interface PlanSyncDeps extends StoredIgnoresDeps {
  /** Micro-dollars for a million tokens of the embedding model. */
  embeddingPriceMicrousd: number;
  /** Tokens that the embedding model reads. */
  embeddingMaxTokens: number;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Rows of one look, and bytes of one parameter: 2 MB are the most that a row or parameter may have. */
const PAGE = 10_000;
const PARAMETER_BYTES = 1_500_000;

/**
 * Compares a tree with what is stored, and remembers what would make them equal: nothing of the workspace changes.
 * Entries that cannot or need not be taken are skipped, each with its reason.
 * Errors: `quota_exceeded` where the new files would not fit; `invalid_request` where over 100,000 stored files are
 * missing from the plan.
 */
export async function planSync(deps: PlanSyncDeps, input: PlanSync): Promise<SyncPlan> {
  const { workspaceId, selector } = input;
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  if (workspace === undefined) throw new DevFlowError("not_found", "The workspace is being deleted.");
  const skipped: SyncPlan["skipped"] = [];
  const entries = takeEntries(input, skipped);
  const { standing, gone, total } = await compareStored(deps, input, entries);
  const rules = await rulesOf(deps, input, entries, standing);

  const unchanged: StoredVersion[] = [];
  const wanted: SyncEntry[] = [];
  for (const entry of entries.values()) {
    const stored = standing.get(entry.path);
    const reason = skipReasonOf(entry, stored, rules, input.useDefaultIgnores);
    if (reason !== null) {
      skipped.push({ path: entry.path, reason });
      // What stands there is of before the file was left out.
      if (stored !== undefined && stored.blob !== null) gone.push(stored);
    } else if (stored !== undefined && isStored(stored, entry)) unchanged.push(stored);
    else wanted.push(entry);
  }
  const renames = pairRenames(wanted, gone);
  const others = wanted.filter(({ path }) => !renames.has(path));
  const copies = pairCopies(others, [...unchanged, ...gone]);
  const uploads = others.filter(({ path }) => !copies.has(path));
  const movedFrom = new Set([...renames.values()].map(({ path }) => path));
  const missing = gone.filter(({ path }) => !movedFrom.has(path));
  requireRoom(workspace, others, standing);

  const now = deps.now();
  const sync = {
    id: newId("syn"),
    workspaceId,
    bucketId: input.bucketId,
    path: selector,
    generation: workspace.generation,
    storedFiles: total,
    unchanged: unchanged.length,
    uploads: uploads.length,
    renames: renames.size,
    copies: copies.size,
    missing: missing.length,
    useDefaultIgnores: input.useDefaultIgnores,
    jobId: newId("job"),
    createdAt: now,
    expiresAt: now + LIMITS.syncSeconds * 1000,
  };
  const planned: PlannedFile[] = [
    ...wanted.map(({ path, sha256, size }): PlannedFile => {
      const [moved, copied] = [renames.get(path), copies.get(path)];
      const kind = moved !== undefined ? "rename" : copied !== undefined ? "copy" : "upload";
      return { path, kind, from: (moved ?? copied)?.path ?? null, sha256, size };
    }),
    ...missing.map(
      ({ path, size }): PlannedFile => ({ path, kind: "delete", from: null, sha256: null, size }),
    ),
  ];
  // In the order of the indexes, whose pages are then filled one after the other.
  planned.sort((a, b) => compare(a.kind, b.kind) || compare(a.path, b.path));
  await insertSync(deps.db, sync);
  for (const some of parameters(planned)) {
    await insertSyncFiles(deps.db, sync.id, workspaceId, some);
  }
  return {
    id: sync.id,
    upload: uploads.map(({ path }) => path),
    unchanged: unchanged.length,
    renamed: fromAndTo(renames),
    copied: fromAndTo(copies),
    missing: missing.map(({ path }) => path),
    skipped,
    estimate: estimateIndexing(wanted, {
      priceMicrousd: deps.embeddingPriceMicrousd,
      modelMaxTokens: deps.embeddingMaxTokens,
    }),
    expiresAt: sync.expiresAt,
  };
}

function fromAndTo(pairs: ReadonlyMap<string, StoredVersion>): { from: string; to: string }[] {
  return [...pairs].map(([to, { path: from }]) => ({ from, to }));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Entries by their path in NFC; those with a bad path, or one that came before, are skipped. */
function takeEntries({ files, selector }: PlanSync, skipped: SyncPlan["skipped"]): Map<string, SyncEntry> {
  const entries = new Map<string, SyncEntry>();
  for (const { path: raw, sha256, size } of files) {
    const checked = checkPath(raw);
    if (!checked.ok || !selects(selector, checked.path)) {
      skipped.push({ path: displayPath(raw), reason: "invalid_path" });
    } else if (entries.has(checked.path)) skipped.push({ path: checked.path, reason: "duplicate" });
    else entries.set(checked.path, { path: checked.path, sha256, size });
  }
  return entries;
}

/** Stored files that the plan names, and those that it does not; looked at a page at a time. */
async function compareStored(
  deps: PlanSyncDeps,
  { workspaceId, selector }: PlanSync,
  entries: ReadonlyMap<string, SyncEntry>,
): Promise<{ standing: Map<string, StoredVersion>; gone: StoredVersion[]; total: number }> {
  const standing = new Map<string, StoredVersion>();
  const gone: StoredVersion[] = [];
  let total = 0;
  for (let after = ""; ; ) {
    const page: StoredVersion[] = await selectStoredVersions(deps.db, workspaceId, selector, after, PAGE);
    total += page.length;
    for (const row of page) {
      if (entries.has(row.path)) standing.set(row.path, row);
      else gone.push(row);
    }
    if (gone.length > LIMITS.syncFiles) {
      const detail = `Over ${LIMITS.syncFiles} stored files are missing from the plan; name the folder that it is of as path.`;
      throw new DevFlowError("invalid_request", detail, { members: { max_missing: LIMITS.syncFiles } });
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return { standing, gone, total };
    after = last.path;
  }
}

/** Ignore files whose content is stored: those above the sync's path, and those of the plan that are unchanged. */
async function rulesOf(
  deps: PlanSyncDeps,
  { workspaceId, selector, useDefaultIgnores }: PlanSync,
  entries: ReadonlyMap<string, SyncEntry>,
  standing: ReadonlyMap<string, StoredVersion>,
): Promise<IgnoreRules> {
  const rules = new IgnoreRules({ defaults: useDefaultIgnores ? { root: selector } : false });
  const above = selector === null ? [] : ignoreFilesAbove([selector]);
  const within = [...standing.values()].filter(
    ({ path, sha256 }) => isIgnoreFile(path) && entries.get(path)?.sha256 === sha256,
  );
  await addStoredIgnores(deps, workspaceId, [...above, ...within.map(({ path }) => path)], rules);
  return rules;
}

function skipReasonOf(
  { path, sha256, size }: SyncEntry,
  stored: StoredVersion | undefined,
  rules: IgnoreRules,
  useDefaultIgnores: boolean,
): string | null {
  const verdict = rules.check(path);
  if (verdict !== null) return verdict.reason;
  if (size === 0) return "empty";
  if (size > LIMITS.indexedFileBytes) return "too_large";
  // Its bytes were seen before, and are unfit still; but what rules alone said may not hold any more.
  const unfit = stored?.status === "skipped" && stored.sha256 === sha256 ? stored.skipReason : null;
  return unfit === "ignored" || (unfit === "generated" && !useDefaultIgnores) ? null : unfit;
}

function isStored(stored: StoredVersion, { sha256 }: SyncEntry): boolean {
  return stored.sha256 === sha256 && stored.blob !== null && stored.status !== "failed";
}

/** Uploads and copies come before deletions, so all have to fit. */
function requireRoom(
  workspace: WorkspaceRow,
  uploads: readonly SyncEntry[],
  standing: ReadonlyMap<string, StoredVersion>,
): void {
  const maxFiles = workspace.maxFiles ?? LIMITS.workspaceFiles;
  const maxBytes = workspace.maxBytes ?? LIMITS.workspaceBytes;
  const added = uploads.filter(({ path }) => !standing.has(path)).length;
  if (workspace.storedFiles + added > maxFiles && added > 0) {
    const detail = `The workspace may hold ${maxFiles} files; it holds ${workspace.storedFiles}, and the sync adds ${added}.`;
    throw new DevFlowError("quota_exceeded", detail, { members: { quota: "files", max: maxFiles } });
  }
  let bytes = 0;
  for (const { path, size } of uploads) {
    const stored = standing.get(path);
    bytes += size - (stored === undefined || stored.blob === null ? 0 : stored.size);
  }
  if (workspace.storedBytes + bytes > maxBytes && bytes > 0) {
    const detail = `The workspace may hold ${maxBytes} bytes; it holds ${workspace.storedBytes}, and the sync adds ${bytes}.`;
    throw new DevFlowError("quota_exceeded", detail, { members: { quota: "bytes", max: maxBytes } });
  }
}

/** The files in runs that each fit a parameter. */
function* parameters(planned: readonly PlannedFile[]): Generator<PlannedFile[]> {
  let run: PlannedFile[] = [];
  let bytes = 0;
  for (const file of planned) {
    // JSON may escape a quote or a control character; the rest of a row has a fixed length.
    const size = 180 + 2 * (utf8Length(file.path) + utf8Length(file.from ?? ""));
    if (run.length > 0 && bytes + size > PARAMETER_BYTES) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(file);
    bytes += size;
  }
  if (run.length > 0) yield run;
}
