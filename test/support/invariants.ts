import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ChromaClient } from "chromadb";

export interface Derived {
  /** Of the `files` rows of D1, by path. */
  files: Map<string, { status: string; generation: number; chunks: number }>;
  /** Chunks of the index object, by id. */
  chunks: Map<string, { path: string; text: string; generation: number }>;
  /** Ids of the vectors. */
  vectors: Set<string>;
  /** Vectors that are promised or condemned. */
  unsettled: number;
}

/** All that a local stack with one workspace holds, read from the stores themselves. */
export async function readDerived(stateFolder: string, chromaUrl: string): Promise<Derived> {
  const files = new Map<string, { status: string; generation: number; chunks: number }>();
  for (const row of rows(stateFolder, "d1", "files", "SELECT path, status, generation, chunks FROM files")) {
    const { path, ...rest } = row as { path: string; status: string; generation: number; chunks: number };
    files.set(path, rest);
  }
  const chunks = new Map<string, { path: string; text: string; generation: number }>();
  const select = "SELECT c.id, f.path, f.generation, c.text FROM chunks c JOIN files f ON f.file = c.file";
  for (const row of rows(stateFolder, "do/*WorkspaceIndex", "vector_outbox", select)) {
    const { id, ...rest } = row as { id: string; path: string; text: string; generation: number };
    chunks.set(id, rest);
  }
  const outbox = rows(stateFolder, "do/*WorkspaceIndex", "vector_outbox", "SELECT id FROM vector_outbox");
  return { files, chunks, vectors: await vectorIds(chromaUrl), unsettled: outbox.length };
}

/**
 * What does not hold of: files = rows = chunks in the index = vectors, for exactly these contents. Each file's
 * chunks, in any order, must hold every line of its content that is not blank, and nothing else.
 */
export function violations(derived: Derived, contents: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  const { files, chunks, vectors } = derived;
  const linesOf = (text: string) => text.split("\n").filter((line) => line.trim() !== "");
  const indexed = new Map<string, { lines: Set<string>; count: number; generation: number }>();
  for (const { path, text, generation } of chunks.values()) {
    const entry = indexed.get(path) ?? { lines: new Set(), count: 0, generation };
    for (const line of linesOf(text)) entry.lines.add(line);
    entry.count++;
    indexed.set(path, entry);
  }
  for (const [path, content] of contents) {
    const row = files.get(path);
    const entry = indexed.get(path);
    if (row === undefined) found.push(`${path}: no row`);
    else if (row.status !== "indexed") found.push(`${path}: ${row.status}`);
    else if (entry === undefined) found.push(`${path}: no chunks`);
    else {
      if (row.chunks !== entry.count)
        found.push(`${path}: ${row.chunks} chunks by its row, ${entry.count} in the index`);
      if (row.generation !== entry.generation) found.push(`${path}: the index holds another generation`);
      const wanted = new Set(linesOf(content));
      const same = wanted.size === entry.lines.size && [...wanted].every((line) => entry.lines.has(line));
      if (!same) found.push(`${path}: the index holds other text`);
    }
  }
  for (const path of files.keys()) if (!contents.has(path)) found.push(`${path}: a row for nothing`);
  for (const path of indexed.keys()) if (!contents.has(path)) found.push(`${path}: chunks for nothing`);
  const missing = [...chunks.keys()].filter((id) => !vectors.has(id)).length;
  const orphans = [...vectors].filter((id) => !chunks.has(id)).length;
  if (missing > 0) found.push(`${missing} chunks without a vector`);
  if (orphans > 0) found.push(`${orphans} vectors without a chunk`);
  return found;
}

/** Rows of those databases below the folder that have the table. */
function rows(stateFolder: string, folder: string, table: string, select: string): unknown[] {
  const pattern = join(stateFolder, "cloudflare", "v3", folder, "**/*.sqlite");
  return globSync(pattern).flatMap((file) => {
    if (!existsSync(file)) return [];
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      const known = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table);
      return known === undefined ? [] : database.prepare(select).all();
    } finally {
      database.close();
    }
  });
}

async function vectorIds(chromaUrl: string): Promise<Set<string>> {
  const { hostname, port } = new URL(chromaUrl);
  const client = new ChromaClient({ host: hostname, port: Number(port), ssl: false });
  const ids = new Set<string>();
  for (const collection of await client.listCollections()) {
    for (const id of (await collection.get({ include: [], limit: 100_000 })).ids) ids.add(id);
  }
  return ids;
}
