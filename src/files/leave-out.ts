import type { EntryOutcome } from "../db/accept-files.ts";
import { selectFiles } from "../db/files.ts";
import { type AcceptDeps, type Candidate, discard } from "./accept.ts";
import type { IgnoreVerdict } from "./ignore.ts";
import { storedIgnoreRules } from "./stored-ignores.ts";

interface Gathered {
  candidates: Candidate[];
  outcomes: EntryOutcome[];
}

/**
 * Takes out of an upload what is to be left out: by the stored ignore files, and by those of the upload, which are
 * known only at its end. Such a file gets no row; one that is stored already becomes a skipped one.
 * @param ignoreFiles path → text, of the upload.
 */
export async function leaveOut(
  deps: AcceptDeps,
  workspaceId: string,
  { candidates, outcomes }: Gathered,
  ignoreFiles: ReadonlyMap<string, string>,
  upload: { folder: string | null; useDefaultIgnores: boolean },
): Promise<Gathered> {
  const unchanged = outcomes.filter(({ status }) => status === "unchanged");
  const paths = [...candidates, ...unchanged].map(({ path }) => path);
  const rules = await storedIgnoreRules(deps, workspaceId, paths, {
    defaults: upload.useDefaultIgnores ? { root: upload.folder } : false,
  });
  for (const [path, text] of ignoreFiles) rules.add(path, text);
  const verdicts = new Map<string, IgnoreVerdict>();
  for (const path of paths) {
    const verdict = rules.check(path);
    if (verdict !== null) verdicts.set(path, verdict);
  }
  if (verdicts.size === 0) return { candidates, outcomes };

  const left = candidates.filter(({ path }) => verdicts.has(path));
  discard(deps, workspaceId, left);
  const rows = await selectFiles(deps.db, workspaceId, [...verdicts.keys()]);
  const stored = new Map(rows.filter(({ blob }) => blob !== null).map((row) => [row.path, row]));
  const versions = new Map(left.map((candidate) => [candidate.path, candidate]));
  const replaced: Candidate[] = [];
  const told: EntryOutcome[] = [];
  for (const [path, skip] of verdicts) {
    const row = stored.get(path);
    if (row === undefined) told.push({ path, status: "skipped", ...skip });
    else {
      const { size, sha256 } = versions.get(path) ?? row;
      replaced.push({ path, size, sha256, skip, blob: null, secretScan: null, findings: [] });
    }
  }
  return {
    candidates: [...candidates.filter(({ path }) => !verdicts.has(path)), ...replaced],
    outcomes: [...outcomes.filter(({ path }) => !verdicts.has(path)), ...told],
  };
}
