import type { ChunkedBy, Definition } from "../core/chunk.ts";
import { hasHumps, humpsAsked, wordsOfName } from "../core/humps.ts";
import type { ChunkFilter, FileSymbols, SymbolHit } from "../core/ports.ts";
import { type Conditions, conditionsOf } from "./workspace-index-read.ts";

/**
 * By name, then by the beginnings of its words: `gUBN`, `getUBN` and `get_user_by` find `getUserByName`, and the very
 * words in another convention count as the name in another case.
 */
export function findSymbols(
  sql: SqlStorage,
  name: string,
  parent: string | null,
  filter: ChunkFilter,
  limit: number,
): SymbolHit[] {
  const named = findNames(sql, name, parent, filter, limit);
  const known = new Set(named.map(({ id }) => id));
  const asked = [wordsOfName(name), humpsAsked(name)].filter((humps) => humps.length > 1);
  const byHumps: SymbolHit[] = [];
  for (const humps of asked) {
    for (const { name: found, ...hit } of findHumps(sql, humps, parent, filter)) {
      if (known.has(hit.id) || !hasHumps(found, humps)) continue;
      known.add(hit.id);
      const same = wordsOfName(found).join(" ") === humps.join(" ");
      byHumps.push({ ...hit, match: same ? "other_case" : "humps" });
    }
  }
  const isName = ({ match }: SymbolHit) => match === "exact" || match === "other_case";
  return [
    ...named.filter(isName),
    ...byHumps.filter(isName),
    ...named.filter((hit) => !isName(hit)),
    ...byHumps.filter((hit) => !isName(hit)),
  ].slice(0, limit);
}

/** Names that share their first letters with others: more than a page of any of them is a poor query. */
const MAX_HUMP_CANDIDATES = 1000;

/** Names whose words begin with the first characters asked for; whether the rest of each hump fits is for the caller. */
function findHumps(sql: SqlStorage, humps: string[], parent: string | null, filter: ChunkFilter) {
  const conditions = conditionsOf(filter, "s");
  const within = withinParent(parent);
  const key = humps.map((hump) => [...hump][0] ?? "").join("");
  return sql
    .exec<{ id: string; path: string; length: number; name: string }>(
      `SELECT c.id, f.path, length(s.name) AS length, s.name
       FROM symbols s JOIN chunks c ON c.chunk = s.chunk JOIN files f ON f.file = c.file
       WHERE s.humps <> '' AND s.humps >= ? AND s.humps < ?${within.sql}${conditions.sql}
       ORDER BY length(s.humps), length(s.name), f.path, s.start_line LIMIT ?`,
      key,
      `${key}\u{10FFFF}`,
      ...within.bindings,
      ...conditions.bindings,
      MAX_HUMP_CANDIDATES,
    )
    .toArray();
}

/** `Task` is the parent of what stands in `jobs.Task` too. */
function withinParent(parent: string | null): Conditions {
  if (parent === null) return { sql: "", bindings: [] };
  const suffix = `.${parent.toLowerCase()}`;
  return { sql: " AND substr('.' || lower(s.parent), -length(?)) = ?", bindings: [suffix, suffix] };
}

/** By name, in any case, or by how the name begins; equal ones by path and line. A chunk is found once, by its best. */
function findNames(
  sql: SqlStorage,
  name: string,
  parent: string | null,
  filter: ChunkFilter,
  limit: number,
): SymbolHit[] {
  const conditions = conditionsOf(filter, "s");
  const key = name.toLowerCase();
  const within = withinParent(parent);
  return sql
    .exec<SymbolHit & Record<string, SqlStorageValue>>(
      `SELECT id, path, match, length FROM (
         SELECT c.id, f.path, s.start_line, length(s.name) AS length,
           CASE WHEN s.name = ? THEN 'exact' WHEN s.name_key = ? THEN 'other_case' ELSE 'prefix' END AS match,
           row_number() OVER (
             PARTITION BY s.chunk ORDER BY s.name <> ?, s.name_key <> ?, length(s.name), s.ordinal
           ) AS place
         FROM symbols s JOIN chunks c ON c.chunk = s.chunk JOIN files f ON f.file = c.file
         WHERE s.name_key >= ? AND s.name_key < ?${within.sql}${conditions.sql}
       ) WHERE place = 1 ORDER BY match = 'prefix', match = 'other_case', length, path, start_line LIMIT ?`,
      name,
      key,
      name,
      key,
      key,
      // No character sorts after this one, and none that is assigned equals it.
      `${key}\u{10FFFF}`,
      ...within.bindings,
      ...conditions.bindings,
      limit,
    )
    .toArray();
}

/** The definitions of a file, by line, the outer before the inner. */
export function symbolsOf(sql: SqlStorage, path: string): FileSymbols {
  const file = sql
    .exec<{ chunked_by: ChunkedBy | null }>(
      "SELECT chunked_by FROM files WHERE path = ? AND deleted = 0",
      path,
    )
    .toArray()[0];
  const symbols = sql
    .exec<Definition & Record<string, SqlStorageValue>>(
      `SELECT s.name, s.kind, s.parent, s.start_line AS startLine, s.end_line AS endLine
       FROM files f JOIN chunks c ON c.file = f.file JOIN symbols s ON s.chunk = c.chunk
       WHERE f.path = ? ORDER BY s.start_line, c.ordinal, s.ordinal`,
      path,
    )
    .toArray();
  return { chunkedBy: file?.chunked_by ?? null, symbols };
}
