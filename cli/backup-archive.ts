import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Decrypter } from "age-encryption";
import {
  FORMAT_VERSION,
  HEADER_NAME,
  layout,
  MANIFEST_NAME,
  type Manifest,
  ManifestSchema,
  manifestBytes,
  type Part,
  partName,
  sizeOf,
} from "../src/backup/archive-format.ts";
import { type CompletedPart, completeManifest, completePart } from "./complete-backup.ts";
import type { Deletions } from "./deletions.ts";
import { CliError } from "./failure.ts";

const BLOCK = 512;
/** A manifest of 40,000 parts, which are a terabyte, is half as long. */
const MAX_MANIFEST_BYTES = 32 * 1024 * 1024;

/** A backup that is known to be whole, whose parts can be decrypted. */
export interface BackupFile extends AsyncDisposable {
  /** Of a backup without references: what it referred to is in the parts, and what was deleted since is not. */
  manifest: Manifest;
  leftOut: CompletedPart["leftOut"];
  /** The tar within a part: about 16 MiB. */
  part(part: Part): Promise<Uint8Array<ArrayBuffer>>;
}

interface Archive extends AsyncDisposable {
  path: string;
  manifest: Manifest;
  part(number: number): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Opens an archive and those that it refers to, and checks every byte of them, and that the identity opens every part.
 * Errors: `CliError` for a file that is missing, foreign, damaged, cut off, or encrypted to somebody else.
 */
export async function openBackupFile(
  path: string,
  source: {
    identity: string;
    /** Where the archive of another backup is. */
    pathOf(backup: string): string;
    /** What was deleted since the time (milliseconds), which is left out. */
    deletionsSince(since: number): Deletions;
  },
  onPart: (part: number, of: number) => void,
): Promise<BackupFile> {
  const { identity, pathOf } = source;
  await using handles = new AsyncDisposableStack();
  const first = handles.use(await openArchive(path, identity));
  const { header, parts, refers_to: refersTo = [] } = first.manifest;
  const further = await openFurther(refersTo, pathOf, identity);
  for (const one of further.values()) handles.use(one);
  const archives = new Map([...further].map(([id, one]) => [id, one.part]));
  const deletions = source.deletionsSince(Date.parse(header.created_at));
  const whole = async (one: Part): Promise<CompletedPart> => {
    const plain = await first.part(one.part);
    // As it stands in the archive, it goes as it is.
    if (deletions.empty && one.counts.referred === undefined) {
      return { plain, counts: one.counts, leftOut: { files: 0, workspaces: 0 } };
    }
    return await completePart(plain, archives, deletions);
  };
  const leftOut = { files: 0, workspaces: 0 };
  const completed: Part[] = [];
  for (const one of parts) {
    const { plain, counts, leftOut: here } = await whole(one);
    leftOut.files += here.files;
    leftOut.workspaces += here.workspaces;
    completed.push({ ...one, plain_bytes: plain.length, plain_sha256: sha256(plain), counts });
    onPart(one.part, parts.length);
  }
  const files = handles.move();
  return {
    manifest: completeManifest(first.manifest, completed),
    leftOut,
    part: async (one) => (await whole(parts[one.part - 1] ?? one)).plain,
    [Symbol.asyncDispose]: () => files.disposeAsync(),
  };
}

/** Which backup the archive is of. Errors: `CliError` for a file that is none. */
export async function backupOf(path: string): Promise<string> {
  await using file = await opened(path);
  return (await findManifest(file, (await file.stat()).size)).header.id;
}

function opened(path: string): Promise<FileHandle> {
  return open(path).catch((cause: unknown) => {
    throw new CliError(`${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`);
  });
}

/** Those that are referred to, by id. Errors: where one is missing, or another than is meant. */
async function openFurther(
  referred: NonNullable<Manifest["refers_to"]>,
  pathOf: (backup: string) => string,
  identity: string,
): Promise<Map<string, Archive>> {
  const missing = referred.filter(({ id }) => !existsSync(pathOf(id)));
  if (missing.length > 0) {
    throw new CliError(
      `The backup refers to others, which are not there:\n${missing.map(({ id }) => `  ${pathOf(id)}`).join("\n")}`,
      `Get them (${missing.map(({ id }) => `devflow backup download ${id}`).join("; ")}), or name them by --with.`,
    );
  }
  await using handles = new AsyncDisposableStack();
  const further = new Map<string, Archive>();
  for (const { id, manifest_sha256: expected } of referred) {
    const archive = handles.use(await openArchive(pathOf(id), identity));
    if (sha256(manifestBytes(archive.manifest)) !== expected) {
      throw new CliError(`${archive.path} is not the archive of ${id} that the backup refers to.`);
    }
    further.set(id, archive);
  }
  handles.move();
  return further;
}

/** An archive every byte of which is checked; its parts are decrypted as they are asked for. */
async function openArchive(path: string, identity: string): Promise<Archive> {
  const file = await opened(path);
  try {
    const { manifest, offsets } = await checkBytes(file);
    const part = async (number: number) => {
      const one = manifest.parts[number - 1];
      if (one === undefined) throw new CliError(`${path} has no part ${number}.`);
      const encrypted = await readAt(file, offsets.get(number) ?? 0, one.bytes);
      const plain = await decrypt(encrypted, identity, number);
      if (plain.length === one.plain_bytes && sha256(plain) === one.plain_sha256) return plain;
      throw damaged(`part ${number} does not hold what the manifest says`);
    };
    return { path, manifest, part, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Compares every byte with what follows from the manifest. */
async function checkBytes(file: FileHandle): Promise<{ manifest: Manifest; offsets: Map<number, number> }> {
  const { size } = await file.stat();
  const manifest = await findManifest(file, size);
  const segments = await layout(manifest, async (bytes) => sha256(bytes));
  if (segments.reduce((sum, segment) => sum + sizeOf(segment), 0) !== size) {
    throw damaged("it is not as long as its manifest says");
  }
  const offsets = new Map<number, number>();
  let at = 0;
  for (const segment of segments) {
    const bytes = await readAt(file, at, sizeOf(segment));
    if ("bytes" in segment) {
      if (!bytes.equals(segment.bytes)) throw damaged(`it differs near byte ${at}`);
    } else {
      offsets.set(segment.part, at);
      const expected = manifest.parts[segment.part - 1]?.sha256;
      if (sha256(bytes) !== expected) throw damaged(`${partName(segment.part)} does not have its digest`);
    }
    at += sizeOf(segment);
  }
  return { manifest, offsets };
}

/** From header to header. What they say is checked afterwards. */
async function findManifest(file: FileHandle, size: number): Promise<Manifest> {
  for (let at = 0; at + BLOCK <= size; ) {
    const header = await readAt(file, at, BLOCK);
    const name = header.toString("latin1", 0, header.indexOf(0));
    const length = Number.parseInt(header.toString("latin1", 124, 135), 8);
    if (at === 0 && name !== HEADER_NAME) throw new CliError("The file is not a backup of DevFlow.");
    if (!Number.isSafeInteger(length) || name === "") break;
    if (name === MANIFEST_NAME) {
      if (length > MAX_MANIFEST_BYTES || at + BLOCK + length > size) break;
      return parseManifest(await readAt(file, at + BLOCK, length));
    }
    at += BLOCK + Math.ceil(length / BLOCK) * BLOCK;
  }
  throw damaged("its manifest is not found; it may be cut off");
}

function parseManifest(bytes: Buffer): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw damaged("its manifest is not JSON");
  }
  const parsed = ManifestSchema.safeParse(json);
  if (!parsed.success) throw damaged("its manifest is not one of this format");
  const { version } = parsed.data.header;
  if (version > FORMAT_VERSION) {
    throw new CliError(
      `The backup is of version ${version} of the format; this devflow reads ${FORMAT_VERSION}.`,
    );
  }
  if (parsed.data.parts.some(({ part }, i) => part !== i + 1)) throw damaged("its parts are not in order");
  return parsed.data;
}

async function decrypt(bytes: Uint8Array, identity: string, part: number): Promise<Uint8Array<ArrayBuffer>> {
  const decrypter = new Decrypter();
  for (const line of identity.split("\n")) {
    const key = line.trim();
    if (key !== "" && !key.startsWith("#")) decrypter.addIdentity(key);
  }
  try {
    return new Uint8Array(await decrypter.decrypt(bytes));
  } catch (cause) {
    throw new CliError(
      `Part ${part} cannot be decrypted: ${cause instanceof Error ? cause.message : "unknown failure"}.`,
      "Is the identity one of those that the backup was encrypted to?",
    );
  }
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer<ArrayBuffer>> {
  const bytes = Buffer.alloc(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, at + filled);
    if (bytesRead === 0) throw damaged("it is cut off");
    filled += bytesRead;
  }
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function damaged(how: string): CliError {
  return new CliError(`The backup is damaged: ${how}. Nothing was restored.`);
}
