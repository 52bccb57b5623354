import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import type { ExportProgress } from "./schema.ts";

/** Notes a part that was written; one row where it is the next one, none where another delivery wrote it already. */
export function advanceExport(db: Database, jobId: string, progress: ExportProgress, now: number) {
  const receipt = { files: progress.files, bytes: progress.bytes };
  return db.all<{ id: string }>(sql`
    UPDATE jobs SET spec = json_set(spec, '$.exported', json(${JSON.stringify(progress)})),
      receipt = ${JSON.stringify(receipt)}, error = NULL, updated_at = ${now}
    WHERE id = ${jobId} AND status IN ('queued', 'running')
      AND coalesce(json_array_length(spec, '$.exported.parts'), 0) = ${progress.parts.length - 1}
    RETURNING id`);
}
