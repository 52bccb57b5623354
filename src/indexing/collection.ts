import {
  type EmbeddingIdentity,
  embeddingInUse,
  sameEmbedding,
  storedEmbedding,
} from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { abandonNextCollection, adoptCollection } from "../db/collections.ts";
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

/** A collection that a workspace's vectors go to, and the model that makes them. */
export interface VectorTarget {
  collectionId: string;
  model: EmbeddingIdentity;
  /** Whether the collection is being filled beside the one in use: no vector is believed to stand in it. */
  filling: boolean;
}

type TargetDeps = Pick<IndexingDeps, "db" | "vectors" | "embedder" | "previousEmbedding" | "log">;

/**
 * Where the workspace's vectors go: the collection in use, made with the first file, and beside it the one of another
 * model that a job fills. What is written meanwhile goes to both, so that the switch finds nothing missing.
 * Errors: `embedding_mismatch` where the one in use is of a model that the deployment cannot embed by.
 */
export async function vectorTargets(deps: TargetDeps, workspace: WorkspaceRow): Promise<VectorTarget[]> {
  const { collectionId } = workspace;
  const row = collectionId === null ? await withCollection(deps, workspace) : { ...workspace, collectionId };
  const model = embeddingInUse(storedEmbedding(row), deps);
  const inUse = { collectionId: row.collectionId, model, filling: false };
  const next = row.nextCollection;
  if (next === null) return [inUse];
  if (!sameEmbedding(next, deps.embedder)) {
    // The settings went back: were it left as it stands, it would miss what is written from here on.
    await abandonNextCollection(deps.db, row.id, next.collectionId);
    deps.log.warning("a change of the embedding model is given up", { workspace_id: row.id });
    return [inUse];
  }
  return [inUse, { collectionId: next.collectionId, model: deps.embedder, filling: true }];
}

/** The row once the workspace has a collection, which is made for the configured model. */
async function withCollection(
  deps: Pick<IndexingDeps, "db" | "vectors" | "embedder">,
  { id }: WorkspaceRow,
): Promise<WorkspaceRow & { collectionId: string }> {
  const { model, dimensions } = deps.embedder;
  const collectionId = await openModelCollection(deps, id);
  await adoptCollection(deps.db, id, { model, dimensions, collectionId });
  // Another message may have come first, even with another model: what stands in the row decides.
  const [current] = await selectWorkspace(deps.db, id);
  if (current?.collectionId == null) throw new Error("the workspace has no collection after adopting one");
  return { ...current, collectionId: current.collectionId };
}
