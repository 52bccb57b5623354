import { sql } from "drizzle-orm";
import type { UsageAmounts } from "../core/usage.ts";
import type { Database } from "./database.ts";

export interface UsageAddition extends UsageAmounts {
  workspaceId: string;
  /** Empty for work that no key asked for. */
  keyId: string;
  /** In UTC: `2026-11-24`. */
  day: string;
}

/** Adds the amounts to the rows of their key and day; nothing for a workspace that is being deleted, or gone. */
export function addUsage(db: Database, additions: readonly UsageAddition[]) {
  return db.run(sql`
    INSERT INTO usage (workspace_id, key_id, day, requests, embedding_tokens, chat_input_tokens,
      chat_output_tokens, bytes_stored)
    SELECT a.value ->> 'workspaceId', a.value ->> 'keyId', a.value ->> 'day', a.value ->> 'requests',
      a.value ->> 'embeddingTokens', a.value ->> 'chatInputTokens', a.value ->> 'chatOutputTokens',
      a.value ->> 'bytesStored'
    FROM json_each(${JSON.stringify(additions)}) a
    WHERE EXISTS (SELECT 1 FROM workspaces w WHERE w.id = a.value ->> 'workspaceId' AND w.deleted_at IS NULL)
    ON CONFLICT (workspace_id, day, key_id) DO UPDATE SET
      requests = requests + excluded.requests,
      embedding_tokens = embedding_tokens + excluded.embedding_tokens,
      chat_input_tokens = chat_input_tokens + excluded.chat_input_tokens,
      chat_output_tokens = chat_output_tokens + excluded.chat_output_tokens,
      bytes_stored = bytes_stored + excluded.bytes_stored`);
}

export function addRequestCounts(
  db: Database,
  answers: readonly { route: string; statusClass: string; count: number }[],
) {
  return db.run(sql`
    INSERT INTO request_counts (route, status_class, count)
    SELECT value ->> 'route', value ->> 'statusClass', value ->> 'count'
    FROM json_each(${JSON.stringify(answers)}) WHERE true
    ON CONFLICT (route, status_class) DO UPDATE SET count = count + excluded.count`);
}

export interface UsageSum {
  /** A key's id (empty: none), or a day. */
  name: string;
  requests: number;
  embedding_tokens: number;
  chat_input_tokens: number;
  chat_output_tokens: number;
  bytes_stored: number;
}

/** Sums of the workspace over days, both inclusive: days newest first, keys by tokens. */
export function selectUsage(
  db: Database,
  workspaceId: string,
  query: { fromDay: string; toDay: string; groupBy: "key" | "day"; limit: number },
) {
  const group = sql.identifier(query.groupBy === "key" ? "key_id" : "day");
  const order =
    query.groupBy === "key"
      ? sql`sum(embedding_tokens + chat_input_tokens + chat_output_tokens) DESC, sum(requests) DESC, key_id`
      : sql`day DESC`;
  return db.all<UsageSum>(sql`
    SELECT ${group} AS name, sum(requests) AS requests, sum(embedding_tokens) AS embedding_tokens,
      sum(chat_input_tokens) AS chat_input_tokens, sum(chat_output_tokens) AS chat_output_tokens,
      sum(bytes_stored) AS bytes_stored
    FROM usage
    WHERE workspace_id = ${workspaceId} AND day BETWEEN ${query.fromDay} AND ${query.toDay}
    GROUP BY ${group} ORDER BY ${order} LIMIT ${query.limit}`);
}

/** Deletes at most `limit` rows of days before this one. */
export function deleteUsageBefore(db: Database, day: string, limit: number) {
  return db.run(
    sql`DELETE FROM usage WHERE rowid IN (SELECT rowid FROM usage WHERE day < ${day} LIMIT ${limit})`,
  );
}
