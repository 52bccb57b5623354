import { createHash } from "node:crypto";
import { unpackTar } from "modern-tar";
import {
  addCounts,
  type Counts,
  emptyCounts,
  type Manifest,
  type Part,
  padding,
  TAR_END,
  tarHeader,
  WHOLE_VERSION,
} from "../src/backup/archive-format.ts";
import { type Reference, ReferenceSchema } from "../src/backup/references.ts";
import type { Deletions } from "./deletions.ts";
import { CliError } from "./failure.ts";

/** Decrypted parts of an archive, by number. */
export type ReadPart = (part: number) => Promise<Uint8Array<ArrayBuffer>>;

/** A part as a whole backup would hold it. */
export interface CompletedPart {
  plain: Uint8Array<ArrayBuffer>;
  counts: Counts;
  /** Files and workspaces that were deleted since. */
  leftOut: { files: number; workspaces: number };
}

/**
 * A part whose references are replaced by the blobs that they name, without what was deleted since; the same bytes each
 * time. @param archives by the id of the backup. Errors: `CliError` for a reference that leads to nothing.
 */
export async function completePart(
  plain: Uint8Array<ArrayBuffer>,
  archives: ReadonlyMap<string, ReadPart>,
  deletions: Deletions,
): Promise<CompletedPart> {
  const entries = (await unpackTar(plain)).map(({ header, data }) => ({
    name: header.name,
    at: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
    data: data ?? new Uint8Array(),
  }));
  const { kept, leftOut } = withoutDeleted(entries, deletions);
  const references = kept.flatMap(({ name, data }) => referencesOf(name, data));
  const blobs = await blobsOf(references, archives);
  const completed = kept.flatMap((entry) =>
    isReferences(entry.name)
      ? referencesOf(entry.name, entry.data).map(({ name }) => ({
          name,
          at: entry.at,
          data: blobs.get(name) ?? new Uint8Array(),
        }))
      : [entry],
  );
  const written = completed.flatMap(({ name, at, data }) => [
    tarHeader(name, data.length, at),
    data,
    padding(data.length),
  ]);
  return {
    plain: new Uint8Array(Buffer.concat([...written, TAR_END])),
    counts: countsOf(completed),
    leftOut,
  };
}

interface PartEntry {
  name: string;
  /** Seconds. */
  at: number;
  data: Uint8Array;
}

type Row = Record<string, string | number | null>;

/** Rows of what was deleted, with their vectors, blobs and references. */
function withoutDeleted(
  entries: readonly PartEntry[],
  deletions: Deletions,
): { kept: PartEntry[]; leftOut: CompletedPart["leftOut"] } {
  const leftOut = { files: 0, workspaces: 0 };
  if (deletions.empty) return { kept: [...entries], leftOut };
  const gone = { paths: new Set<string>(), blobs: new Set<string>() };
  for (const { name, data } of entries) {
    if (!name.startsWith("d1/files/")) continue;
    for (const row of rowsOf(data)) {
      const [workspaceId, path] = [String(row["workspace_id"]), String(row["path"])];
      if (!deletions.hasFile(workspaceId, path, Number(row["generation"]))) continue;
      gone.paths.add(`${workspaceId} ${path}`);
      if (row["blob"] !== null) gone.blobs.add(`${workspaceId}/${row["blob"]}`);
      leftOut.files += 1;
    }
  }
  const kept = entries.flatMap((entry): PartEntry[] => {
    const [folder = "", place = "", leaf = ""] = entry.name.split("/");
    if (folder === "blobs") return gone.blobs.has(`${place}/${leaf}`) ? [] : [entry];
    if (folder === "references") return only(entry, (row) => !gone.blobs.has(`${place}/${row["blob"]}`));
    if (folder === "vectors") return only(entry, (row) => !gone.paths.has(`${place} ${row["path"]}`));
    if (folder !== "d1") return [entry];
    return only(entry, (row) => {
      if (place === "files") return !gone.paths.has(`${row["workspace_id"]} ${row["path"]}`);
      const deleted = deletions.hasWorkspace(
        String(place === "workspaces" ? row["id"] : row["workspace_id"]),
      );
      if (deleted && place === "workspaces") leftOut.workspaces += 1;
      return !deleted;
    });
  });
  return { kept, leftOut };
}

/** The entry with those of its lines; none where no line is left. */
function only(entry: PartEntry, keeps: (row: Row) => boolean): PartEntry[] {
  const lines = rowsOf(entry.data).filter(keeps);
  if (lines.length === 0) return [];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  return [{ ...entry, data: new TextEncoder().encode(text) }];
}

function countsOf(entries: readonly PartEntry[]): Counts {
  let counts = emptyCounts();
  for (const { name, data } of entries) {
    const [folder = "", place = ""] = name.split("/");
    if (folder === "blobs")
      counts = addCounts(counts, { ...emptyCounts(), blobs: 1, blobBytes: data.length });
    else if (folder === "vectors")
      counts = addCounts(counts, { ...emptyCounts(), vectors: rowsOf(data).length });
    else if (folder === "d1") {
      counts = addCounts(counts, { ...emptyCounts(), rows: { [place]: rowsOf(data).length } });
    }
  }
  return counts;
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

function isReferences(name: string): boolean {
  return name.startsWith("references/");
}

/** Of an entry of references; none of any other. */
function referencesOf(entry: string, data: Uint8Array): Named[] {
  if (!isReferences(entry)) return [];
  const workspaceId = entry.split("/")[1] ?? "";
  return rowsOf(data).map((line) => {
    const reference = ReferenceSchema.parse(line);
    return { ...reference, name: `blobs/${workspaceId}/${reference.blob}` };
  });
}

function rowsOf(data: Uint8Array): Row[] {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    .decode(data)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
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
