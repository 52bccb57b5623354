/**
 * Vectors that the store may hold although no chunk stands for them. `promised`: handed out by a plan, perhaps
 * written. `condemned`: to be deleted, perhaps deleted already. A row goes when the chunk is committed, or when
 * the store is known not to hold the vector (`settle`).
 */
interface Version {
  path: string;
  generation: number;
}

/** A promise that is made again is as young as its newest maker. */
export function notePromises(
  sql: SqlStorage,
  ids: string[],
  { path, generation }: Version,
  now: number,
): void {
  if (ids.length === 0) return;
  sql.exec(
    `INSERT INTO vector_outbox SELECT value, 'promised', ?, ?, ? FROM json_each(?) WHERE true
     ON CONFLICT (id) DO UPDATE SET at = excluded.at WHERE op = 'promised'`,
    path,
    generation,
    now,
    JSON.stringify(ids),
  );
}

/** Those of the ids that are promised. */
export function promisedOf(sql: SqlStorage, ids: string[]): Set<string> {
  if (ids.length === 0) return new Set();
  const rows = sql.exec<{ id: string }>(
    "SELECT id FROM vector_outbox WHERE op = 'promised' AND id IN (SELECT value FROM json_each(?))",
    JSON.stringify(ids),
  );
  return new Set(rows.toArray().map(({ id }) => id));
}

export function condemn(sql: SqlStorage, ids: string[], { path, generation }: Version, now: number): void {
  if (ids.length === 0) return;
  sql.exec(
    `INSERT INTO vector_outbox SELECT value, 'condemned', ?, ?, ? FROM json_each(?) WHERE true
     ON CONFLICT (id) DO UPDATE SET op = 'condemned', at = excluded.at`,
    path,
    generation,
    now,
    JSON.stringify(ids),
  );
}

/** All that is condemned of those paths: a writer that comes again finishes what it, or another, left. */
export function condemnedOf(sql: SqlStorage, paths: string[]): string[] {
  return sql
    .exec<{ id: string }>(
      `SELECT id FROM vector_outbox
       WHERE path IN (SELECT value FROM json_each(?)) AND op = 'condemned' ORDER BY id`,
      JSON.stringify(paths),
    )
    .toArray()
    .map(({ id }) => id);
}

/** Only what is condemned is settled: a promise ends by its commit, or by being condemned first. */
export function settleVectors(sql: SqlStorage, ids: string[]): void {
  sql.exec(
    "DELETE FROM vector_outbox WHERE op = 'condemned' AND id IN (SELECT value FROM json_each(?))",
    JSON.stringify(ids),
  );
}

/**
 * The oldest of them. Promises among them are condemned: a writer as slow as that finds a conflict and plans again,
 * rather than committing a chunk whose vector is being deleted.
 */
export function takeUnsettled(sql: SqlStorage, beforeMs: number, limit: number): string[] {
  const ids = sql
    .exec<{ id: string }>(
      "SELECT id FROM vector_outbox WHERE at < ? ORDER BY at, id LIMIT ?",
      beforeMs,
      Math.max(0, limit),
    )
    .toArray()
    .map(({ id }) => id);
  const json = JSON.stringify(ids);
  sql.exec(
    `UPDATE files SET revision = revision + 1 WHERE path IN (
       SELECT path FROM vector_outbox WHERE op = 'promised' AND id IN (SELECT value FROM json_each(?)))`,
    json,
  );
  sql.exec("UPDATE vector_outbox SET op = 'condemned' WHERE id IN (SELECT value FROM json_each(?))", json);
  return ids;
}

/** Vectors of no file: noted under the empty path, which no file has. */
const NOBODY: Version = { path: "", generation: 0 };

export function disownVectors(sql: SqlStorage, ids: string[], now: number): string[] {
  const strangers = sql
    .exec<{ id: string }>(
      `SELECT value AS id FROM json_each(?) j
       WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.id = j.value)
         AND NOT EXISTS (SELECT 1 FROM vector_outbox v WHERE v.id = j.value)`,
      JSON.stringify(ids),
    )
    .toArray()
    .map(({ id }) => id);
  condemn(sql, strangers, NOBODY, now);
  return strangers;
}
