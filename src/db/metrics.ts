import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/** Rows that one count looks at most at: the cost of a scrape is bounded, and a count that stops here says enough. */
export const COUNT_CAP = 10_000;

export interface DeploymentCounts {
  requests: { route: string; status_class: string; count: number }[];
  /** Open jobs, and those that ended since the time. */
  jobs: { status: string; count: number }[];
  pendingFiles: number;
  /** When the open job that was moved longest ago was moved; null where none is open. Milliseconds. */
  oldestMoveMs: number | null;
  events: { type: string; count: number }[];
  today: { embedding_tokens: number; chat_input_tokens: number; chat_output_tokens: number };
  newestBackupMs: number | null;
}

/** What `/metrics` tells of the whole deployment: one batch, each statement over an index and capped. */
export async function selectDeploymentCounts(
  db: Database,
  at: { sinceMs: number; day: string },
): Promise<DeploymentCounts> {
  const [requests, jobs, [pending], [oldest], events, [today], [backup]] = await db.batch([
    db.all<DeploymentCounts["requests"][number]>(sql`
      SELECT route, status_class, count FROM request_counts ORDER BY route, status_class LIMIT ${COUNT_CAP}`),
    db.all<DeploymentCounts["jobs"][number]>(sql`
      SELECT status, count(*) AS count FROM (
        SELECT status FROM jobs WHERE status IN ('queued', 'running', 'paused')
        UNION ALL
        SELECT status FROM jobs
          WHERE status IN ('succeeded', 'failed', 'cancelled') AND updated_at >= ${at.sinceMs}
        LIMIT ${COUNT_CAP}
      ) GROUP BY status`),
    db.all<{ count: number }>(sql`
      SELECT count(*) AS count FROM (
        SELECT 1 FROM jobs j JOIN job_files f ON f.job_id = j.id AND f.status = 'pending'
        WHERE j.status IN ('queued', 'running', 'paused') LIMIT ${COUNT_CAP})`),
    db.all<{ at: number | null }>(sql`
      SELECT min(updated_at) AS at FROM jobs WHERE status IN ('queued', 'running')`),
    db.all<DeploymentCounts["events"][number]>(sql`
      SELECT type, sum(count) AS count FROM (
        SELECT type, count FROM security_events WHERE at >= ${at.sinceMs} LIMIT ${COUNT_CAP}
      ) GROUP BY type ORDER BY type`),
    db.all<DeploymentCounts["today"]>(sql`
      SELECT coalesce(sum(embedding_tokens), 0) AS embedding_tokens,
        coalesce(sum(chat_input_tokens), 0) AS chat_input_tokens,
        coalesce(sum(chat_output_tokens), 0) AS chat_output_tokens
      FROM (SELECT * FROM usage WHERE day = ${at.day} LIMIT ${COUNT_CAP})`),
    db.all<{ at: number | null }>(sql`
      SELECT max(at) AS at FROM (
        SELECT at FROM security_events WHERE type = 'backup_created' ORDER BY id DESC LIMIT 1)`),
  ]);
  return {
    requests,
    jobs,
    pendingFiles: pending?.count ?? 0,
    oldestMoveMs: oldest?.at ?? null,
    events,
    today: today ?? { embedding_tokens: 0, chat_input_tokens: 0, chat_output_tokens: 0 },
    newestBackupMs: backup?.at ?? null,
  };
}
