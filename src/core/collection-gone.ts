import { DevFlowError } from "./errors.ts";

/** The vector store has no collection with this id: it was lost or deleted, and is to be made again. */
export class CollectionGoneError extends DevFlowError {
  readonly collectionId: string;

  constructor(collectionId: string, cause: unknown) {
    super("upstream_unavailable", "The vectors of this workspace are being rebuilt.", { cause });
    this.collectionId = collectionId;
  }
}
