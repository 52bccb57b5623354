import { newId, newTimeId } from "../core/ids.ts";
import { SCOPES } from "../core/principal.ts";
import { insertKey } from "../db/api-keys.ts";
import type { Database } from "../db/database.ts";
import { insertWorkspace, type WorkspaceRow } from "../db/workspaces.ts";
import { digestApiKey, displayPrefix, generateApiKey } from "./api-key.ts";

export interface CreateWorkspaceDeps {
  db: Database;
  now(): number;
}

export interface NewWorkspace {
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
  deps: CreateWorkspaceDeps,
  input: NewWorkspace,
): Promise<CreatedWorkspace> {
  const now = deps.now();
  const key = generateApiKey();
  const keyId = newTimeId("key", now);
  const workspaceId = newId("ws");
  const scopes = [...SCOPES];
  const [[workspace]] = await deps.db.batch([
    insertWorkspace(deps.db, { id: workspaceId, ...input, createdAt: now }),
    insertKey(deps.db, {
      id: keyId,
      workspaceId,
      name: "first admin key",
      digest: await digestApiKey(key),
      prefix: displayPrefix(key),
      scopes,
      bucketId: keyId,
      createdAt: now,
    }),
  ]);
  if (workspace === undefined) throw new Error("the inserted workspace was not returned");
  return { workspace, key: { id: keyId, key, scopes } };
}
