import { DevFlowError } from "./errors.ts";

/** Vectors may be compared only where both are the same. */
export interface EmbeddingIdentity {
  model: string;
  dimensions: number;
}

/** The models that the deployment can embed by: the configured one, and the one that is being left for it. */
export interface ServedEmbeddings {
  embedder: EmbeddingIdentity;
  previousEmbedding: EmbeddingIdentity | null;
}

/**
 * The model that a workspace's vectors are of, and its queries are to be embedded by.
 * @param stored null where nothing was indexed yet: the configured one.
 * Errors: `embedding_mismatch` where the deployment cannot embed by it.
 */
export function embeddingInUse(
  stored: EmbeddingIdentity | null,
  { embedder, previousEmbedding }: ServedEmbeddings,
): EmbeddingIdentity {
  if (stored === null || sameEmbedding(stored, embedder)) return embedder;
  if (previousEmbedding !== null && sameEmbedding(stored, previousEmbedding)) return previousEmbedding;
  throw mismatch(stored, embedder);
}

export function isServed(stored: EmbeddingIdentity, served: ServedEmbeddings): boolean {
  return [served.embedder, served.previousEmbedding].some(
    (one) => one !== null && sameEmbedding(stored, one),
  );
}

/** Its detail names the way out. */
function mismatch(stored: EmbeddingIdentity, configured: EmbeddingIdentity): DevFlowError {
  return new DevFlowError(
    "embedding_mismatch",
    `This workspace was indexed with ${show(stored)}, and the deployment now uses ${show(configured)}. ` +
      'Send POST /v1/index with {"force": true} to index it anew.',
  );
}

export function sameEmbedding(a: EmbeddingIdentity, b: EmbeddingIdentity): boolean {
  return a.model === b.model && a.dimensions === b.dimensions;
}

/** The identity in a workspace's row, or null before its first file is indexed. */
export function storedEmbedding(workspace: {
  embeddingModel: string | null;
  embeddingDimensions: number | null;
}): EmbeddingIdentity | null {
  const { embeddingModel: model, embeddingDimensions: dimensions } = workspace;
  return model === null || dimensions === null ? null : { model, dimensions };
}

const show = ({ model, dimensions }: EmbeddingIdentity) => `${model} (${dimensions} dimensions)`;
