import { DevFlowError } from "../core/errors.ts";
import { dayOf, type UsageAmounts } from "../core/usage.ts";
import type { Database } from "../db/database.ts";
import { deleteUsageBefore, selectUsage } from "../db/usage.ts";

const DAY_MS = 86_400_000;
/** Days of a report that names no beginning. */
const DEFAULT_DAYS = 30;
/** Kept for a year's comparison with the same month of the year before. */
export const USAGE_DAYS = 400;
/** Rows of one report; a workspace has 100 live keys, but rotated ones and subjects of other issuers add up. */
const MAX_ROWS = 1000;
const PRUNE_ROWS = 1000;

/** Micro-dollars for a million tokens. */
export interface Prices {
  embedding: number;
  chatInput: number;
  chatOutput: number;
}

export interface UsageQuery {
  /** Any time of the first and of the last day, in milliseconds; both days count whole, in UTC. */
  fromMs: number | null;
  toMs: number | null;
  groupBy: "key" | "day";
}

export interface UsageItem extends UsageAmounts {
  /** A key's id (null: work that no key asked for), or a day. */
  name: string | null;
  costMicrousd: number;
}

/** What the workspace used, by key or by day, at the prices that are set now. Errors: `invalid_request`. */
export async function usageReport(
  deps: { db: Database; prices: Prices; now(): number },
  workspaceId: string,
  query: UsageQuery,
): Promise<{ from: string; to: string; items: UsageItem[]; truncated: boolean }> {
  const toMs = query.toMs ?? deps.now();
  const fromMs = query.fromMs ?? toMs - (DEFAULT_DAYS - 1) * DAY_MS;
  if (fromMs > toMs) throw badFrom("from is after to.");
  if (toMs - fromMs > USAGE_DAYS * DAY_MS) throw badFrom(`A report covers ${USAGE_DAYS} days at most.`);
  const [from, to] = [dayOf(fromMs), dayOf(toMs)];
  const days = { fromDay: from, toDay: to, groupBy: query.groupBy, limit: MAX_ROWS + 1 };
  const rows = await selectUsage(deps.db, workspaceId, days);
  const items = rows.slice(0, MAX_ROWS).map((row) => ({
    name: row.name === "" ? null : row.name,
    requests: row.requests,
    embeddingTokens: row.embedding_tokens,
    chatInputTokens: row.chat_input_tokens,
    chatOutputTokens: row.chat_output_tokens,
    bytesStored: row.bytes_stored,
    costMicrousd: Math.round(
      (row.embedding_tokens * deps.prices.embedding +
        row.chat_input_tokens * deps.prices.chatInput +
        row.chat_output_tokens * deps.prices.chatOutput) /
        1_000_000,
    ),
  }));
  return { from, to, items, truncated: rows.length > MAX_ROWS };
}

/** Keeps the ledger's retention. To be run by the cron. */
export async function pruneUsage(deps: { db: Database; now(): number }): Promise<void> {
  await deleteUsageBefore(deps.db, dayOf(deps.now() - USAGE_DAYS * DAY_MS), PRUNE_ROWS);
}

function badFrom(message: string): DevFlowError {
  return new DevFlowError("invalid_request", `/query/from: ${message}`, {
    errors: [{ pointer: "/query/from", message }],
  });
}
