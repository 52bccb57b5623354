import { DevFlowError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { Lru } from "../core/lru.ts";
import { SCOPES } from "../core/principal.ts";
import type { SecurityEvents } from "../core/security-event.ts";
import { insertKey } from "../db/api-keys.ts";
import type { Database } from "../db/database.ts";
import { insertSecurityEvent } from "../db/security-events.ts";
import { insertWorkspace, selectWorkspace, updateWorkspace, type WorkspaceRow } from "../db/workspaces.ts";
import { type Actor, type CreatedKey, eventOf, keyRow } from "./key-row.ts";
import { createKey, type KeyDeps } from "./keys.ts";

export interface WorkspaceDeps {
  db: Database;
  events: SecurityEvents;
  now(): number;
}

/** Quotas are null where the deployment's own hold. */
export interface WorkspaceSettings {
  name: string;
  monthlyTokenBudget: number | null;
  maxFiles: number | null;
  maxBytes: number | null;
}

export interface CreatedWorkspace {
  workspace: WorkspaceRow;
  /** Shown once: only its digest is kept. */
  key: { id: string; key: string; scopes: string[] };
}

/** Makes a workspace and its first key, with every scope, in one batch. */
export async function createWorkspace(
  deps: WorkspaceDeps,
  actor: Actor,
  input: WorkspaceSettings,
): Promise<CreatedWorkspace> {
  const now = deps.now();
  const workspaceId = newId("ws");
  const power = { scopes: [...SCOPES], limits: {}, expiresAtMs: null };
  const { row, key } = await keyRow(now, { workspaceId, name: "first admin key", power, actor });
  const event = eventOf(actor, "workspace_created", workspaceId, row.id, {}, now);
  const [[workspace]] = await deps.db.batch([
    insertWorkspace(deps.db, { id: workspaceId, ...input, createdAt: now }),
    insertKey(deps.db, row),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
  if (workspace === undefined) throw new Error("the inserted workspace was not returned");
  return { workspace, key: { id: row.id, key, scopes: power.scopes } };
}

/** Errors: `not_found`, also while it is being deleted. */
export async function getWorkspace(deps: { db: Database }, id: string): Promise<WorkspaceRow> {
  const [row] = await selectWorkspace(deps.db, id);
  if (row === undefined) throw new DevFlowError("not_found", "There is no such workspace.");
  return row;
}

/** A name that was read is told for so long, in seconds; a change by the same isolate is seen at once. */
export const WORKSPACE_NAME_SECONDS = 10;

/** Errors: `not_found`. */
export async function workspaceName(
  deps: { db: Database; workspaceNames: Lru<string> },
  id: string,
): Promise<string> {
  const known = deps.workspaceNames.get(id);
  if (known !== undefined) return known;
  const { name } = await getWorkspace(deps, id);
  deps.workspaceNames.set(id, name);
  return name;
}

/** Changes what is given. Errors: `not_found`. */
export async function changeWorkspace(
  deps: WorkspaceDeps & { workspaceNames: Lru<string> },
  actor: Actor,
  id: string,
  change: Partial<WorkspaceSettings>,
): Promise<WorkspaceRow> {
  await getWorkspace(deps, id);
  const event = eventOf(
    actor,
    "workspace_updated",
    id,
    null,
    { fields: Object.keys(change).join(" ") },
    deps.now(),
  );
  const [[row]] = await deps.db.batch([
    updateWorkspace(deps.db, id, change),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
  if (row === undefined) throw new DevFlowError("not_found", "There is no such workspace.");
  deps.workspaceNames.delete(id);
  return row;
}

/** A new key with every scope, for one that was lost. Errors: `not_found`, `quota_exceeded`. */
export async function createAdminKey(
  deps: KeyDeps,
  actor: Actor,
  workspaceId: string,
  input: { name: string; expiresAtMs: number | null },
): Promise<CreatedKey> {
  await getWorkspace(deps, workspaceId);
  return createKey(deps, actor, workspaceId, { ...input, scopes: [...SCOPES], limits: {} });
}
