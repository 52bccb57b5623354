import { and, eq, isNull, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { workspaces } from "./schema.ts";

/** Which embeddings a workspace has, and Chroma's id of the collection that holds them. */
export interface CollectionInUse {
  model: string;
  dimensions: number;
  collectionId: string;
}

/** Sets the collection of a workspace that has none yet. */
export function adoptCollection(db: Database, workspaceId: string, use: CollectionInUse) {
  return db
    .update(workspaces)
    .set(columns(use))
    .where(and(eq(workspaces.id, workspaceId), isNull(workspaces.collectionId)));
}

/**
 * Puts another collection in the place of the one that was in use, if the job that fills it was made in the same
 * batch; nothing where another is in use by now.
 */
export function replaceCollection(
  db: Database,
  workspaceId: string,
  previousId: string | null,
  use: CollectionInUse,
  jobId: string,
) {
  return db
    .update(workspaces)
    .set(columns(use))
    .where(
      and(
        eq(workspaces.id, workspaceId),
        sql`${workspaces.collectionId} IS ${previousId}`,
        sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${jobId})`,
      ),
    );
}

/** The workspace's next generation: what is accepted with it is newer than all that stands. */
export function takeGeneration(db: Database, workspaceId: string) {
  return db
    .update(workspaces)
    .set({ generation: sql`${workspaces.generation} + 1` })
    .where(eq(workspaces.id, workspaceId))
    .returning({ generation: workspaces.generation });
}

function columns({ model, dimensions, collectionId }: CollectionInUse) {
  return { embeddingModel: model, embeddingDimensions: dimensions, collectionId };
}
