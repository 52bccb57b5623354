import { and, eq, isNull, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { type NextCollection, workspaces } from "./schema.ts";

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
    .set({ ...columns(use), nextCollection: null })
    .where(
      and(
        eq(workspaces.id, workspaceId),
        sql`${workspaces.collectionId} IS ${previousId}`,
        sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${jobId})`,
      ),
    );
}

/** Begins to fill a collection beside the one in use, if the job that fills it was made in the same batch. */
export function setNextCollection(
  db: Database,
  workspaceId: string,
  inUseId: string | null,
  next: NextCollection,
) {
  return db
    .update(workspaces)
    .set({ nextCollection: next })
    .where(
      and(
        eq(workspaces.id, workspaceId),
        sql`${workspaces.collectionId} IS ${inUseId}`,
        sql`EXISTS (SELECT 1 FROM jobs WHERE id = ${next.jobId})`,
      ),
    );
}

/** Gives up a collection that was being filled beside the one in use. */
export function abandonNextCollection(db: Database, workspaceId: string, collectionId: string) {
  return db
    .update(workspaces)
    .set({ nextCollection: null })
    .where(and(eq(workspaces.id, workspaceId), sql`next_collection ->> 'collectionId' = ${collectionId}`));
}

/** A file that failed because its content is gone has no chunk, so no vector of it is missing. */
const COMPLETE = sql`EXISTS (
  SELECT 1 FROM jobs WHERE id = workspaces.next_collection ->> 'jobId' AND expanded = 1
    AND status IN ('succeeded', 'failed')) AND NOT EXISTS (
  SELECT 1 FROM job_files WHERE job_id = workspaces.next_collection ->> 'jobId'
    AND (status = 'pending' OR (status = 'failed' AND reason IS NOT 'content_missing')))`;

/** Puts collections in use whose jobs have filled them: the workspace's, or all. Returns a row each. */
export function switchCollections(db: Database, workspaceId: string | null) {
  return db.all<{ id: string; model: string }>(sql`
    UPDATE workspaces SET embedding_model = next_collection ->> 'model',
      embedding_dimensions = next_collection ->> 'dimensions',
      collection_id = next_collection ->> 'collectionId', next_collection = NULL
    WHERE next_collection IS NOT NULL AND ${workspaceId === null ? sql`true` : sql`id = ${workspaceId}`} AND ${COMPLETE}
    RETURNING id, embedding_model AS model`);
}

/** Workspaces whose vectors are of the model, and that no job moves to another. */
export function selectWorkspacesOfModel(
  db: Database,
  { model, dimensions }: { model: string; dimensions: number },
  limit: number,
) {
  return db.all<{ id: string }>(sql`
    SELECT id FROM workspaces WHERE embedding_model = ${model} AND embedding_dimensions = ${dimensions}
      AND next_collection IS NULL AND deleted_at IS NULL ORDER BY random() LIMIT ${limit}`);
}

/** How many workspaces are being moved to another model. One row. */
export function countMoves(db: Database) {
  return db.all<{ moves: number }>(sql`
    SELECT count(*) AS moves FROM workspaces JOIN jobs ON jobs.id = next_collection ->> 'jobId'
    WHERE next_collection IS NOT NULL AND status IN ('queued', 'running')`);
}

/** Collections that another took the place of, by the jobs that filled that one, ended between the times. */
export function selectReplacedCollections(
  db: Database,
  ended: { fromMs: number; toMs: number },
  limit: number,
) {
  return db.all<{ jobId: string; workspaceId: string; name: string }>(sql`
    SELECT id AS jobId, workspace_id AS workspaceId, spec ->> 'replacedCollection' AS name FROM jobs
    WHERE status IN ('succeeded', 'failed') AND updated_at > ${ended.fromMs} AND updated_at < ${ended.toMs}
      AND kind = 'index' AND spec ->> 'replacedCollection' IS NOT NULL LIMIT ${limit}`);
}

export function forgetReplacedCollection(db: Database, jobId: string) {
  return db.run(sql`UPDATE jobs SET spec = json_remove(spec, '$.replacedCollection') WHERE id = ${jobId}`);
}

/** The workspace has no vectors any more, of any model: as before its first file. */
export function dropCollection(db: Database, workspaceId: string, collectionId: string | null) {
  return db
    .update(workspaces)
    .set({ embeddingModel: null, embeddingDimensions: null, collectionId: null, nextCollection: null })
    .where(and(eq(workspaces.id, workspaceId), sql`${workspaces.collectionId} IS ${collectionId}`));
}

/** The workspace's next generation: what is accepted with it is newer than all that stands. */
export function takeGeneration(db: Database, workspaceId: string) {
  return db
    .update(workspaces)
    .set({ generation: sql`${workspaces.generation} + 1` })
    .where(eq(workspaces.id, workspaceId))
    .returning({ generation: workspaces.generation });
}

/** Ids of all collections that hold vectors of the workspace. */
export function collectionIds(
  workspace: Pick<typeof workspaces.$inferSelect, "collectionId" | "nextCollection"> | undefined,
): string[] {
  const ids = [workspace?.collectionId, workspace?.nextCollection?.collectionId];
  return ids.filter((id) => id !== null && id !== undefined);
}

function columns({ model, dimensions, collectionId }: CollectionInUse) {
  return { embeddingModel: model, embeddingDimensions: dimensions, collectionId };
}
