import { DevFlowError } from "../core/errors.ts";
import { newTimeId } from "../core/ids.ts";
import type { Precondition } from "../db/accept-files.ts";
import { type FileRow, selectFile } from "../db/files.ts";
import { type AcceptDeps, accept, type Candidate, isUnchanged, met, storeBlobs } from "./accept.ts";
import { inspect } from "./inspect.ts";
import { asAllowed, recordSecrets, secretOverride } from "./secrets.ts";
import type { Uploader } from "./uploader.ts";

export interface PutFile {
  /** As `parsePath` gives it. */
  path: string;
  bytes: Uint8Array;
  /** An admin said that secrets in it are no matter. */
  allowSecrets: boolean;
  precondition: Omit<Precondition, "path"> | null;
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
  const inspected = await inspect(put.bytes, put);
  const [existing] = await selectFile(deps.db, workspaceId, put.path);
  if (precondition !== null && !met(precondition, existing)) {
    throw new DevFlowError("precondition_failed", "The stored file is not the one that the request names.");
  }
  const version = asAllowed(existing, inspected);
  recordSecrets(deps, uploader, version);
  if (existing !== undefined && isUnchanged(existing, version)) return { file: existing, jobId: null };
  const candidate: Candidate = { ...version, path: put.path, blob: null };
  await storeBlobs(deps, workspaceId, [{ candidate, bytes: put.bytes }]);
  const jobId = version.skip === null ? newTimeId("job", deps.now()) : null;
  const { rows } = await accept(deps, {
    workspaceId,
    generation: null,
    candidates: [candidate],
    outcomes: [],
    job:
      jobId === null
        ? null
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
