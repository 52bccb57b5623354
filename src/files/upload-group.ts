import { entryKey } from "../core/entry-key.ts";
import { checkPath, displayPath } from "../core/path.ts";
import type { EntryOutcome } from "../db/accept-files.ts";
import { selectFiles } from "../db/files.ts";
import type { UploadedVersion } from "../db/syncs.ts";
import { type AcceptDeps, type Candidate, isUnchanged, storeBlobs } from "./accept.ts";
import { type Inspected, inspect } from "./inspect.ts";
import { asAllowed, recordSecrets } from "./secrets.ts";
import type { Uploader } from "./uploader.ts";

/** Files read and not yet stored: bounded, so that an upload of any size needs little memory. */
const GROUP_FILES = 100;
const GROUP_BYTES = 4 * 1024 * 1024;

interface Waiting {
  path: string;
  version: Inspected;
  bytes: Uint8Array | null;
}

/**
 * Gathers the entries of an upload: checks names, tells changed from unchanged, stores blobs a group at a time.
 * `candidates` and `outcomes` grow until they are taken to be accepted.
 */
export class UploadGroup {
  readonly #deps: AcceptDeps;
  readonly #uploader: Uploader;
  readonly #folder: string | null;
  readonly #allowSecrets: boolean;
  readonly #allowGenerated: boolean;
  readonly #seen = new Set<string>();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #entries = 0;
  candidates: Candidate[] = [];
  outcomes: EntryOutcome[] = [];
  /** What the entries held, as far as they were files that were read. */
  versions: UploadedVersion[] = [];

  /** @param upload `folder`: what the entries' names are relative to; null is the workspace. */
  constructor(
    deps: AcceptDeps,
    uploader: Uploader,
    upload: { folder: string | null; allowSecrets: boolean; useDefaultIgnores: boolean },
  ) {
    this.#deps = deps;
    this.#uploader = uploader;
    this.#folder = upload.folder;
    this.#allowSecrets = upload.allowSecrets;
    this.#allowGenerated = !upload.useDefaultIgnores;
  }

  /**
   * The path that an entry's name stands for; null where it is refused, which is then among the outcomes.
   * To be called once for each entry.
   */
  claim(name: string): string | null {
    this.#entries++;
    const checked = checkPath(this.#folder === null ? name : `${this.#folder}/${name}`);
    // Checked by itself too: below a folder an absolute name would hide behind the folder's slash.
    const own = checkPath(name);
    if (!own.ok) return this.#skip(displayPath(name), "invalid_path", `Invalid file path: ${own.rule}.`);
    if (!checked.ok) {
      return this.#skip(displayPath(name), "invalid_path", `Invalid file path: ${checked.rule}.`);
    }
    if (this.#seen.has(checked.path)) {
      return this.#skip(checked.path, "duplicate", "An earlier entry of the upload has the same path.");
    }
    this.#seen.add(checked.path);
    return checked.path;
  }

  /** An entry that becomes no file, such as a link. */
  refuse(name: string, reason: string, message: string): void {
    this.#entries++;
    this.#skip(displayPath(name), reason, message);
  }

  /** A file whose name was claimed. */
  async add(path: string, bytes: Uint8Array): Promise<void> {
    const version = await inspect(bytes, {
      path,
      allowSecrets: this.#allowSecrets,
      allowGenerated: this.#allowGenerated,
    });
    this.versions.push({ path, sha256: version.sha256, size: version.size });
    const mayBeStored = version.skip === null || version.skip.reason === "secret_detected";
    await this.#wait({ path, version, bytes: mayBeStored ? bytes : null });
  }

  /** A file that was hashed while it streamed past, and is not to be stored. */
  async addSkipped(path: string, version: Inspected): Promise<void> {
    await this.#wait({ path, version, bytes: null });
  }

  /** Tells changed from unchanged among those that wait, and stores the changed ones' bytes. */
  async flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (waiting.length === 0) return;
    const paths = waiting.map(({ path }) => path);
    const { workspaceId } = this.#uploader;
    const rows = await selectFiles(this.#deps.db, workspaceId, paths);
    const standing = new Map(rows.map((row) => [row.path, row]));
    const changed: { candidate: Candidate; bytes: Uint8Array }[] = [];
    for (const { path, version: inspected, bytes } of waiting) {
      const version = asAllowed(standing.get(path), inspected);
      recordSecrets(this.#deps, this.#uploader, version);
      if (isUnchanged(standing.get(path), version)) {
        const { skip } = version;
        this.outcomes.push({
          path,
          status: skip === null ? "unchanged" : "skipped",
          reason: skip?.reason ?? null,
          message: skip?.message ?? null,
        });
      } else changed.push({ candidate: { ...version, path, blob: null }, bytes: bytes ?? new Uint8Array(0) });
    }
    await storeBlobs(this.#deps, workspaceId, changed);
    this.candidates.push(...changed.map(({ candidate }) => candidate));
  }

  /** Entries that came to an end so far: to be accepted together once there are enough. */
  get gathered(): number {
    return this.candidates.length + this.outcomes.length;
  }

  /** Hands over what was gathered, and begins anew. */
  take(): { candidates: Candidate[]; outcomes: EntryOutcome[] } {
    const taken = { candidates: this.candidates, outcomes: this.outcomes };
    this.candidates = [];
    this.outcomes = [];
    return taken;
  }

  async #wait(file: Waiting): Promise<void> {
    this.#waiting.push(file);
    this.#waitingBytes += file.bytes?.length ?? 0;
    if (this.#waiting.length >= GROUP_FILES || this.#waitingBytes >= GROUP_BYTES) await this.flush();
  }

  #skip(path: string, reason: string, message: string): null {
    this.outcomes.push({ path: entryKey(path, this.#entries), status: "skipped", reason, message });
    return null;
  }
}
