import { type EmbeddingIdentity, requireSameEmbedding, storedEmbedding } from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { adoptCollection } from "../db/collections.ts";
import { selectWorkspace, type WorkspaceRow } from "../db/workspaces.ts";
import type { IndexingDeps } from "./deps.ts";

/** Chroma's name for the vectors of a workspace by one model: 3–512 characters of A–Z, a–z, 0–9, `.`, `_`, `-`. */
export async function collectionName(
  workspaceId: string,
  { model, dimensions }: EmbeddingIdentity,
): Promise<string> {
  const slug = model
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 60);
  // Two models may look alike once their odd characters are gone.
  const digest = (await sha256Hex(model)).slice(0, 8);
  return `${workspaceId}-${slug}-${digest}-${dimensions}`;
}

/**
 * Finds or makes the collection of a workspace for the configured model.
 * Errors: `not_found` for a workspace that is being deleted; nothing is left of the collection then.
 */
export async function openModelCollection(
  deps: Pick<IndexingDeps, "db" | "vectors" | "embedder">,
  workspaceId: string,
): Promise<string> {
  const { model, dimensions } = deps.embedder;
  const name = await collectionName(workspaceId, deps.embedder);
  const id = await deps.vectors.openCollection(name, { workspace: workspaceId, model, dimensions });
  // Looked up after it was made: an erasure that begins later finds it.
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  if (workspace !== undefined) return id;
  await deps.vectors.deleteCollection(name);
  throw new DevFlowError("not_found", "The workspace is being deleted.");
}

/**
 * The collection that the workspace's vectors go to; made with its first file.
 * Errors: `embedding_mismatch` where it holds vectors of another model.
 */
export async function collectionInUse(
  deps: Pick<IndexingDeps, "db" | "vectors" | "embedder">,
  workspace: WorkspaceRow,
): Promise<string> {
  requireSameEmbedding(storedEmbedding(workspace), deps.embedder);
  if (workspace.collectionId !== null) return workspace.collectionId;
  const { model, dimensions } = deps.embedder;
  const collectionId = await openModelCollection(deps, workspace.id);
  await adoptCollection(deps.db, workspace.id, { model, dimensions, collectionId });
  // Another message may have come first, even with another model: what stands in the row decides.
  const [current] = await selectWorkspace(deps.db, workspace.id);
  if (current?.collectionId == null) throw new Error("the workspace has no collection after adopting one");
  requireSameEmbedding(storedEmbedding(current), deps.embedder);
  return current.collectionId;
}
