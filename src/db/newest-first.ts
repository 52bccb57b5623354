import { and, desc, eq, lt, or, type SQL } from "drizzle-orm";
import type { AnySQLiteColumn } from "drizzle-orm/sqlite-core";

/** The last row of the page before. */
export interface Before {
  createdAt: number;
  id: string;
}

interface Columns {
  createdAt: AnySQLiteColumn;
  id: AnySQLiteColumn;
}

/** The order of lists that show the newest first; ids tell apart what came in one millisecond. */
export function newestFirst({ createdAt, id }: Columns): SQL[] {
  return [desc(createdAt), desc(id)];
}

/** What comes behind the row in that order; all of it behind none. */
export function olderThan({ createdAt, id }: Columns, before: Before | null): SQL | undefined {
  if (before === null) return undefined;
  return or(lt(createdAt, before.createdAt), and(eq(createdAt, before.createdAt), lt(id, before.id)));
}
