import { createHash } from "node:crypto";
import { unpackTar } from "modern-tar";
import {
  addCounts,
  emptyCounts,
  type Manifest,
  type Part,
  padding,
  TAR_END,
  tarHeader,
  WHOLE_VERSION,
} from "../src/backup/archive-format.ts";
import { type Reference, ReferenceSchema } from "../src/backup/references.ts";
import { CliError } from "./failure.ts";

/** Decrypted parts of an archive, by number. */
export type ReadPart = (part: number) => Promise<Uint8Array<ArrayBuffer>>;

const REFERENCES = "references/";

/**
 * A part whose references are replaced by the blobs that they name, as a whole backup would hold it; the same bytes
 * each time. @param archives by the id of the backup. Errors: `CliError` for a reference that leads to nothing.
 */
export async function completePart(
  plain: Uint8Array<ArrayBuffer>,
  archives: ReadonlyMap<string, ReadPart>,
): Promise<{ plain: Uint8Array<ArrayBuffer>; blobs: number; blobBytes: number }> {
  const entries = await unpackTar(plain);
  const references = entries.flatMap(({ header, data }) =>
    header.name.startsWith(REFERENCES) ? referencesOf(workspaceOf(header.name), data) : [],
  );
  const blobs = await blobsOf(references, archives);
  const written: Uint8Array[] = [];
  const write = (name: string, bytes: Uint8Array, mtimeSeconds: number) =>
    written.push(tarHeader(name, bytes.length, mtimeSeconds), bytes, padding(bytes.length));
  for (const { header, data } of entries) {
    const at = Math.floor((header.mtime?.getTime() ?? 0) / 1000);
    if (!header.name.startsWith(REFERENCES)) write(header.name, data ?? new Uint8Array(), at);
    else {
      for (const { name } of referencesOf(workspaceOf(header.name), data)) {
        write(name, blobs.get(name) ?? new Uint8Array(), at);
      }
    }
  }
  const blobBytes = references.reduce((sum, { size }) => sum + size, 0);
  return {
    plain: new Uint8Array(Buffer.concat([...written, TAR_END])),
    blobs: references.length,
    blobBytes,
  };
}

/** The manifest of the whole backup that the completed parts make. */
export function completeManifest(manifest: Manifest, parts: readonly Part[]): Manifest {
  return {
    header: { ...manifest.header, version: WHOLE_VERSION },
    parts: [...parts],
    counts: parts.reduce((sum, { counts }) => addCounts(sum, counts), emptyCounts()),
  };
}

type Named = Reference & { name: string };

function workspaceOf(name: string): string {
  return name.split("/")[1] ?? "";
}

function referencesOf(workspaceId: string, data: Uint8Array | undefined): Named[] {
  const text = new TextDecoder().decode(data);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const reference = ReferenceSchema.parse(JSON.parse(line));
      return { ...reference, name: `blobs/${workspaceId}/${reference.blob}` };
    });
}

/** Each part of another archive is read once, and of it only what is referred to is kept. */
async function blobsOf(
  references: readonly Named[],
  archives: ReadonlyMap<string, ReadPart>,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const wanted of Map.groupBy(references, ({ backup, part }) => `${backup} ${part}`).values()) {
    const [{ backup, part } = { backup: "", part: 0 }] = wanted;
    const read = archives.get(backup);
    if (read === undefined)
      throw new CliError(`The backup refers to ${backup}, which its manifest does not name.`);
    const byName = new Map(wanted.map((one) => [one.name, one]));
    for (const { header, data } of await unpackTar(await read(part))) {
      const one = byName.get(header.name);
      if (one === undefined || data === undefined) continue;
      if (createHash("sha256").update(data).digest("hex") !== one.sha256) {
        throw new CliError(`${header.name} in part ${part} of ${backup} is not what the backup refers to.`);
      }
      found.set(one.name, data.slice());
    }
    const lost = wanted.find(({ name }) => !found.has(name));
    if (lost !== undefined) throw new CliError(`Part ${part} of ${backup} does not hold ${lost.name}.`);
  }
  return found;
}
