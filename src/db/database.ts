import type { DrizzleD1Database } from "drizzle-orm/d1";
import { drizzle } from "drizzle-orm/d1";
import * as schema from "./schema.ts";

export type Database = DrizzleD1Database<typeof schema>;

/** The metadata store. Statements built on it are unexecuted until awaited or given to `batch`. */
export function openDatabase(binding: D1Database): Database {
  return drizzle(binding, { schema });
}
