import { DevFlowError } from "./errors.ts";

/** Vectors may be compared only where both are the same. */
export interface EmbeddingIdentity {
  model: string;
  dimensions: number;
}

/**
 * Checks that a workspace's vectors are of the configured model.
 * @param stored null where nothing was indexed yet: any model will do.
 * Errors: `embedding_mismatch`, whose detail names the way out.
 */
export function requireSameEmbedding(stored: EmbeddingIdentity | null, configured: EmbeddingIdentity): void {
  if (stored === null || sameEmbedding(stored, configured)) return;
  throw new DevFlowError(
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
