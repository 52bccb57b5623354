import type { Cursors } from "../core/cursor.ts";
import { DevFlowError } from "../core/errors.ts";
import type { Database } from "../db/database.ts";
import { selectSecurityEvents } from "../db/security-events.ts";

export interface ListDeps {
  db: Database;
  cursors: Cursors;
}

export interface SecurityEventFilter {
  /** Null: all of the deployment, for the root key. */
  workspaceId: string | null;
  type: string | null;
  sinceMs: number | null;
  limit: number;
  cursor: string | null;
}

/** A page of events, newest first. Errors: `invalid_cursor` for a cursor of another workspace or filter. */
export async function listSecurityEvents(deps: ListDeps, filter: SecurityEventFilter) {
  const { workspaceId, type, sinceMs, limit } = filter;
  const scope = ["security_events", workspaceId ?? "root", type ?? "", String(sinceMs ?? "")];
  const beforeId = filter.cursor === null ? null : positionOf(await deps.cursors.open(scope, filter.cursor));
  const rows = await selectSecurityEvents(deps.db, {
    workspaceId,
    type,
    sinceMs,
    beforeId,
    limit: limit + 1,
  });
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items, nextCursor: more ? await deps.cursors.sign(scope, [last.id]) : null };
}

function positionOf(position: unknown[]): string {
  const [id] = position;
  if (typeof id !== "string")
    throw new DevFlowError("invalid_cursor", "This cursor does not belong to this list.");
  return id;
}
