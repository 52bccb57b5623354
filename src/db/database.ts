import { is } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import { drizzle } from "drizzle-orm/d1";
import { SQLiteRaw } from "drizzle-orm/sqlite-core/query-builders/raw";

export type Database = DrizzleD1Database;

/** The metadata store. Statements built on it are unexecuted until awaited or given to `batch`. */
export function openDatabase(binding: D1Database): Database {
  const db: Database = drizzle(binding);
  const batch = db.batch.bind(db) as (queries: unknown[]) => Promise<unknown[]>;
  // drizzle 0.45 binds a batch's parameters to prepared statements, and prepares none for `run(sql…)` and `all(sql…)`.
  const prepared = (query: unknown) =>
    is(query, SQLiteRaw)
      ? Object.create(query, { stmt: { value: binding.prepare(query.getQuery().sql) } })
      : query;
  db.batch = ((queries: unknown[]) => batch(queries.map(prepared))) as Database["batch"];
  return db;
}
