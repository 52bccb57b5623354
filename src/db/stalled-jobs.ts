import { and, inArray, lt, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { jobs } from "./schema.ts";

/** Jobs that are to go on, and have not since the time (milliseconds). */
export function countStalledJobs(db: Database, beforeMs: number) {
  return db
    .select({ count: sql<number>`count(*)` })
    .from(jobs)
    .where(and(inArray(jobs.status, ["queued", "running"]), lt(jobs.updatedAt, beforeMs)));
}
