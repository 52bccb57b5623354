import { createHash } from "node:crypto";
import { entryKey } from "../core/entry-key.ts";
import { checkPath, displayPath, type PathCheck } from "../core/path.ts";
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
   * @param number of the entry in its upload, from 1.
   */
  claim(name: string, number: number): string | null {
    const checked = pathBelow(this.#folder, name);
    if (!checked.ok) {
      return this.#skip(displayPath(name), number, "invalid_path", `Invalid file path: ${checked.rule}.`);
    }
    const key = seenKey(checked.path);
    if (this.#seen.has(key)) {
      return this.#skip(
        checked.path,
        number,
        "duplicate",
        "An earlier entry of the upload has the same path.",
      );
    }
    this.#seen.add(key);
    return checked.path;
  }

  /** An entry that was dealt with before: its name is taken. */
  pass(name: string): void {
    const checked = pathBelow(this.#folder, name);
    if (checked.ok) this.#seen.add(seenKey(checked.path));
  }

  /** A file that the ignore rules leave out; its name was claimed. */
  leaveOut(path: string, reason: string, message: string): void {
    this.outcomes.push({ path, status: "skipped", reason, message });
  }

  /** An entry that becomes no file, such as a link. */
  refuse(name: string, number: number, reason: string, message: string): void {
    const checked = pathBelow(this.#folder, name);
    this.#skip(checked.ok ? checked.path : displayPath(name), number, reason, message);
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
      if (isUnchanged(standing.get(path), version)) {
        const { skip } = version;
        this.outcomes.push({
          path,
          status: skip === null ? "unchanged" : "skipped",
          reason: skip?.reason ?? null,
          message: skip?.message ?? null,
          standing: true,
        });
        continue;
      }
      // What stands as skipped was told of when it came: a message that is delivered again tells nothing new.
      recordSecrets(this.#deps, this.#uploader, version);
      changed.push({ candidate: { ...version, path, blob: null }, bytes: bytes ?? new Uint8Array(0) });
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

  #skip(path: string, number: number, reason: string, message: string): null {
    this.outcomes.push({ path: entryKey(path, number), status: "skipped", reason, message });
    return null;
  }
}

/** The path of an entry below the folder that it is uploaded to; null is the workspace. */
export function pathBelow(folder: string | null, name: string): PathCheck {
  // Checked by itself too: below a folder an absolute name would hide behind the folder's slash.
  const own = checkPath(name);
  return folder === null || !own.ok ? own : checkPath(`${folder}/${name}`);
}

/** Short enough for 100,000 of them, however long the paths are. */
function seenKey(path: string): string {
  return path.length <= 64 ? path : createHash("sha256").update(path).digest("base64");
}
