import { DevFlowError } from "../core/errors.ts";
import { newTimeId } from "../core/ids.ts";
import type { Precondition } from "../db/accept-files.ts";
import { type FileRow, selectFile } from "../db/files.ts";
import { type AcceptDeps, accept, type Candidate, isUnchanged, met, storeBlobs } from "./accept.ts";
import { inspect } from "./inspect.ts";
import { asAllowed, recordSecrets, secretOverride } from "./secrets.ts";
import { storedIgnoreRules } from "./stored-ignores.ts";
import type { SyncUpload } from "./sync-upload.ts";
import type { Uploader } from "./uploader.ts";

export interface PutFile {
  /** As `parsePath` gives it. */
  path: string;
  bytes: Uint8Array;
  /** An admin said that secrets in it are no matter. */
  allowSecrets: boolean;
  /** Whether what is left out by default is (`default-ignores.ts`); a file that is stored already is taken. */
  useDefaultIgnores: boolean;
  precondition: Omit<Precondition, "path"> | null;
  /** The sync that it is an upload of. */
  sync: SyncUpload | null;
}

export interface PutResult {
  file: FileRow;
  /** Null where nothing is left to do: the file is unchanged, or skipped. */
  jobId: string | null;
}

/**
 * Stores one file and has it indexed.
 * Errors: those of `accept`.
 */
export async function putFile(deps: AcceptDeps, uploader: Uploader, put: PutFile): Promise<PutResult> {
  const { workspaceId } = uploader;
  const precondition = put.precondition === null ? null : { path: put.path, ...put.precondition };
  const [existing] = await selectFile(deps.db, workspaceId, put.path);
  const useDefaults = put.useDefaultIgnores && (existing === undefined || existing.blob === null);
  const [seen, rules] = await Promise.all([
    inspect(put.bytes, { ...put, allowGenerated: !useDefaults }),
    storedIgnoreRules(deps, workspaceId, [put.path], {
      defaults: useDefaults ? { root: put.sync?.folder ?? null } : false,
    }),
  ]);
  await put.sync?.charge([{ path: put.path, sha256: seen.sha256, size: seen.size }]);
  const verdict = rules.check(put.path);
  const inspected = verdict === null ? seen : { ...seen, skip: verdict, secretScan: null, findings: [] };
  if (precondition !== null && !met(precondition, existing)) {
    throw new DevFlowError("precondition_failed", "The stored file is not the one that the request names.");
  }
  const version = asAllowed(existing, inspected);
  if (existing !== undefined && isUnchanged(existing, version)) return { file: existing, jobId: null };
  recordSecrets(deps, uploader, version);
  const candidate: Candidate = { ...version, path: put.path, blob: null };
  await storeBlobs(deps, workspaceId, [{ candidate, bytes: put.bytes }]);
  const syncJobId = version.skip === null && put.sync !== null ? await put.sync.openJob() : null;
  const jobId = version.skip === null ? (syncJobId ?? newTimeId("job", deps.now())) : null;
  const { rows } = await accept(deps, {
    workspaceId,
    keyId: uploader.keyId,
    generation: null,
    candidates: [candidate],
    outcomes: [],
    job:
      jobId === null
        ? null
        : syncJobId !== null
          ? { id: jobId }
          : {
              create: {
                id: jobId,
                kind: "put",
                keyId: uploader.keyId,
                requestId: uploader.requestId,
                spec: { path: put.path },
                expanded: true,
                finished: false,
              },
            },
    precondition,
    event: secretOverride(uploader, put.allowSecrets, "put", deps.now()),
  });
  const [file] = rows;
  if (file === undefined) throw new Error("the accepted file has no row");
  return { file, jobId };
}
