import { newTimeId } from "../core/ids.ts";
import { type AcceptDeps, accept, discard } from "./accept.ts";
import { isIgnoreFile } from "./ignore.ts";
import { leaveOut } from "./leave-out.ts";
import { readMultipart } from "./multipart.ts";
import { secretOverride } from "./secrets.ts";
import { ignoreText } from "./stored-ignores.ts";
import type { SyncUpload } from "./sync-upload.ts";
import { UploadGroup } from "./upload-group.ts";
import type { Uploader } from "./uploader.ts";

export interface UploadMany {
  /** Folder that the names are relative to; null is the workspace. */
  folder: string | null;
  body: ReadableStream<Uint8Array>;
  contentType: string;
  /** An admin said that secrets in the files are no matter. */
  allowSecrets: boolean;
  /** Whether what is left out by default is, counted from `folder`. */
  useDefaultIgnores: boolean;
  /** The sync that they are uploads of. */
  sync: SyncUpload | null;
}

/**
 * Stores the files of a multipart body: all of them or, where the body turns out malformed, none. Entries that
 * cannot be taken are skipped with their reason.
 * Errors: `invalid_request`, `payload_too_large`, and those of `accept`.
 * Ignore files among them govern all of them, whatever the order.
 * @returns the job, or null where every file was there already, or was skipped already for the same reason.
 */
export async function uploadMany(
  deps: AcceptDeps,
  uploader: Uploader,
  upload: UploadMany,
): Promise<string | null> {
  const { workspaceId, keyId, requestId } = uploader;
  const group = new UploadGroup(deps, uploader, upload);
  const ignoreFiles = new Map<string, string>();
  try {
    let number = 0;
    for await (const { name, bytes } of readMultipart(upload.body, upload.contentType)) {
      const path = group.claim(name, ++number);
      if (path === null) continue;
      const text = isIgnoreFile(path) ? ignoreText(bytes) : null;
      if (text !== null) ignoreFiles.set(path, text);
      await group.add(path, bytes);
    }
    await group.flush();
    await upload.sync?.charge(group.versions);
  } catch (error) {
    discard(deps, workspaceId, group.take().candidates);
    throw error;
  }
  const gathered = group.take();
  const { candidates, outcomes } = await leaveOut(deps, workspaceId, gathered, ignoreFiles, upload);
  if (candidates.length === 0 && outcomes.every(({ standing }) => standing === true)) return null;
  const syncJobId = upload.sync === null ? null : await upload.sync.openJob();
  const id = syncJobId ?? newTimeId("job", deps.now());
  await accept(deps, {
    workspaceId,
    keyId,
    generation: null,
    candidates,
    outcomes,
    job:
      syncJobId !== null
        ? { id }
        : {
            create: {
              id,
              kind: "upload",
              keyId,
              requestId,
              spec: upload.folder === null ? {} : { path: upload.folder },
              expanded: true,
              finished: candidates.every(({ skip }) => skip !== null),
            },
          },
    precondition: null,
    event: secretOverride(uploader, upload.allowSecrets, "multipart", deps.now()),
  });
  return id;
}
