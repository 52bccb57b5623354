import { settledBounded } from "../core/bounded.ts";
import { CollectionGoneError } from "../core/collection-gone.ts";
import type { EmbeddingIdentity } from "../core/embedding-identity.ts";
import { DevFlowError } from "../core/errors.ts";
import type {
  Embedder,
  FileCommit,
  FilePlan,
  FileToCommit,
  IndexingMessage,
  WorkspaceIndex,
} from "../core/ports.ts";
import { abandonNextCollection } from "../db/collections.ts";
import { dropContent, type FileIndexState, writeIndexStates } from "../db/file-index-state.ts";
import { type FileRow, selectFiles } from "../db/files.ts";
import { recountEndedJob } from "../db/job-counts.ts";
import { type FileOutcome, finishJobFiles } from "../db/job-files.ts";
import { finishJob, selectJob, touchJob } from "../db/jobs.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import { type VectorTarget, vectorTargets } from "./collection.ts";
import type { IndexingDeps } from "./deps.ts";
import { type LeasedVectors, leasedVectors } from "./leased-vectors.ts";
import { finishMoves } from "./move-models.ts";
import { readSources, type SourceToIndex } from "./read-sources.ts";
import { rebuildCollection } from "./rebuild.ts";
import { type ChunkWrite, type VectorCost, writeVectors } from "./write-vectors.ts";

type IndexMessage = Extract<IndexingMessage, { kind: "index" }>;

/** Some 300 chunks of code: as many vectors as one write takes. */
const GROUP_BYTES = 80_000;
/** While the vectors of one group are awaited the next is cut. */
const GROUPS_AT_ONCE = 2;
/** Times that a file is planned anew because another writer came between; then the message is retried. */
const MAX_PLANS = 4;

/**
 * Indexes the files of one message whose generation still stands, and writes what became of each.
 * Delivered twice, it finds them indexed and does nothing.
 * Errors: those of the upstreams, for the queue to retry; `budget_exhausted`, with what was paid for kept;
 * `embedding_mismatch`, which no retry mends.
 */
export async function indexFiles(deps: IndexingDeps, message: IndexMessage): Promise<void> {
  const { workspaceId, jobId } = message;
  const [[workspace], [job], rows] = await deps.db.batch([
    selectWorkspace(deps.db, workspaceId),
    selectJob(deps.db, workspaceId, jobId),
    selectFiles(
      deps.db,
      workspaceId,
      message.files.map(({ path }) => path),
    ),
    touchJob(deps.db, jobId, deps.now()),
  ]);
  // Its files wait for the job to go on, or for nothing any more.
  if (workspace === undefined || job === undefined || job.status === "cancelled" || job.status === "paused") {
    return;
  }

  const { standing, outcomes } = whatStands(message, rows);
  if (outcomes.length > 0) await recordOutcomes(deps, message, outcomes, []);
  if (standing.length > 0) {
    const targets = await vectorTargets(deps, workspace);
    try {
      // What is indexed again, by wish or to mend it, believes no vector to stand that it has not seen.
      const verify = job.kind === "index";
      const embedder = (model: EmbeddingIdentity) =>
        deps.embedderFor(workspaceId, workspace.monthlyTokenBudget, job.keyId, model);
      const lease = { calls: deps.vectorCalls, small: message.bulk !== true };
      const vectors = leasedVectors(deps.vectors, deps.workspaceIndex(workspaceId), lease);
      const paid: BringInDeps = { embedder, vectors, workspaceIndex: deps.workspaceIndex };
      const parser = deps.syntax.forMessage();
      await settledBounded(groupsOf(standing), GROUPS_AT_ONCE, async (group) => {
        const sources = await deps.cutting.run(() => readSources(deps, parser, group));
        const brought = await bringIn(paid, workspaceId, targets, sources, verify);
        await recordOutcomes(deps, message, brought, sources);
      });
    } catch (error) {
      if (error instanceof CollectionGoneError) await replaceLost(deps, workspaceId, targets, error);
      throw error;
    }
  }
  if (workspace.nextCollection?.jobId === jobId) await finishMoves(deps, workspaceId);
}

/** Files that are cut, given vectors and committed together: fewer than `GROUP_BYTES`, or one. */
function groupsOf(rows: readonly FileRow[]): FileRow[][] {
  const groups: FileRow[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    bytes += row.size;
    if (bytes > GROUP_BYTES) {
      groups.push([]);
      bytes = row.size;
    }
    groups.at(-1)?.push(row);
  }
  return groups;
}

/** What was to be filled beside the one in use is begun anew; the one in use is made again. */
async function replaceLost(
  deps: IndexingDeps,
  workspaceId: string,
  targets: readonly VectorTarget[],
  { collectionId }: CollectionGoneError,
): Promise<void> {
  const lost = targets.find((target) => target.collectionId === collectionId);
  if (lost?.filling === true) await abandonNextCollection(deps.db, workspaceId, collectionId);
  else await rebuildCollection(deps, workspaceId, collectionId);
}

/** Tells files that are to be indexed from those that were replaced, or are indexed already. */
function whatStands(
  message: IndexMessage,
  rows: FileRow[],
): { standing: FileRow[]; outcomes: FileOutcome[] } {
  const byPath = new Map(rows.map((row) => [row.path, row]));
  const standing: FileRow[] = [];
  const outcomes: FileOutcome[] = [];
  for (const { path, generation } of message.files) {
    const row = byPath.get(path);
    if (row === undefined || row.generation !== generation) outcomes.push(superseded(path, generation));
    else if (row.status === "pending") standing.push(row);
    else {
      const status = row.status === "indexed" ? "unchanged" : row.status;
      outcomes.push({
        ...outcome(path, generation, status),
        reason: row.skipReason,
        message: row.error,
        chunks: row.chunks,
      });
    }
  }
  return { standing, outcomes };
}

interface BringInDeps {
  embedder(model: EmbeddingIdentity): Embedder;
  vectors: LeasedVectors;
  workspaceIndex(workspaceId: string): WorkspaceIndex;
}

/** Plan, vectors, commit; again for the files where another writer came between. */
async function bringIn(
  deps: BringInDeps,
  workspaceId: string,
  targets: readonly VectorTarget[],
  sources: SourceToIndex[],
  verify: boolean,
): Promise<FileOutcome[]> {
  const index = deps.workspaceIndex(workspaceId);
  const outcomes: FileOutcome[] = [];
  let open = sources;
  for (let attempt = 0; open.length > 0; attempt++) {
    if (attempt === MAX_PLANS) {
      throw new DevFlowError("conflict", "Other changes of the same files kept coming between.");
    }
    const plans = await index.plan(
      open.map(({ path, generation, chunks }) => ({
        path,
        generation,
        chunks: chunks.map(({ embedHash }) => ({ embedHash })),
      })),
    );
    const planOf = new Map(plans.map((plan) => [plan.path, plan]));
    const writes = open.flatMap((source) => chunkWrites(source, planOf.get(source.path)));
    const costs = await writeEverywhere(deps, targets, writes, verify);
    const commits = await index.commit(open.flatMap((source) => toCommit(source, planOf.get(source.path))));
    await dropObsolete(deps, index, targets, commits);

    const commitOf = new Map(commits.map((commit) => [commit.path, commit]));
    const conflicts: SourceToIndex[] = [];
    for (const source of open) {
      const commit = commitOf.get(source.path);
      if (commit?.outcome === "conflict") conflicts.push(source);
      else if (commit?.outcome === "committed") outcomes.push(committed(source, costs.get(source.path)));
      else outcomes.push(superseded(source.path, source.generation));
    }
    open = conflicts;
  }
  return outcomes;
}

/** @returns the cost by path: the chunks as the last of the collections took them, and the tokens of all. */
async function writeEverywhere(
  { embedder, vectors }: BringInDeps,
  targets: readonly VectorTarget[],
  writes: readonly ChunkWrite[],
  verify: boolean,
): Promise<Map<string, VectorCost>> {
  let costs = new Map<string, VectorCost>();
  for (const { collectionId, model, filling } of targets) {
    const before = costs;
    // What a job does to fill a collection, it need not do to the one that stands.
    const options = { verify: verify && (filling || targets.length === 1) };
    costs = await writeVectors({ embedder: embedder(model), vectors }, collectionId, writes, options);
    for (const [path, cost] of costs) cost.tokens += before.get(path)?.tokens ?? 0;
  }
  return costs;
}

function chunkWrites(source: SourceToIndex, plan: FilePlan | undefined): ChunkWrite[] {
  if (plan?.outcome !== "write") return [];
  return source.chunks.map((chunk, i) => {
    const planned = plan.chunks[i];
    if (planned === undefined) throw new Error("the plan has fewer chunks than the file");
    return { source, chunk, planned };
  });
}

function toCommit(source: SourceToIndex, plan: FilePlan | undefined): FileToCommit[] {
  if (plan?.outcome !== "write") return [];
  const { path, generation, language, chunkedBy } = source;
  const chunks = chunkWrites(source, plan).map(({ chunk, planned }) => {
    const { embeddedText: _, ...stored } = chunk;
    return { ...stored, id: planned.id };
  });
  return [
    {
      path,
      generation,
      baseGeneration: plan.baseGeneration,
      language,
      ...(chunkedBy === null ? {} : { chunkedBy }),
      chunks,
    },
  ];
}

async function dropObsolete(
  deps: BringInDeps,
  index: WorkspaceIndex,
  targets: readonly VectorTarget[],
  commits: FileCommit[],
): Promise<void> {
  const obsolete = commits.flatMap((commit) => (commit.outcome === "conflict" ? [] : commit.obsolete));
  if (obsolete.length === 0) return;
  for (const { collectionId } of targets) await deps.vectors.delete(collectionId, obsolete);
  await index.settle(obsolete);
}

function committed(source: SourceToIndex, cost: VectorCost | undefined): FileOutcome {
  const { path, generation, refusal, chunks } = source;
  if (refusal !== null) return { ...outcome(path, generation, refusal.status), ...refusal };
  return {
    ...outcome(path, generation, "indexed"),
    ...(cost ?? { embedded: 0, reused: 0, tokens: 0 }),
    chunks: chunks.length,
  };
}

function superseded(path: string, generation: number): FileOutcome {
  return {
    ...outcome(path, generation, "skipped"),
    reason: "superseded",
    message: "A newer change of this file was accepted meanwhile.",
  };
}

function outcome(path: string, generation: number, status: FileOutcome["status"]): FileOutcome {
  return {
    path,
    generation,
    status,
    reason: null,
    message: null,
    chunks: 0,
    embedded: 0,
    reused: 0,
    tokens: 0,
  };
}

/** One batch, so that a file is never indexed for its row and pending for its job, or the other way round. */
async function recordOutcomes(
  deps: IndexingDeps,
  { workspaceId, jobId }: IndexMessage,
  outcomes: FileOutcome[],
  sources: SourceToIndex[],
): Promise<void> {
  const now = deps.now();
  const chunkedBy = new Map(sources.map((source) => [source.path, source.chunkedBy]));
  const states = outcomes.flatMap(
    ({ path, generation, status, reason, message, chunks }): FileIndexState[] => {
      if (!chunkedBy.has(path) || reason === "superseded") return [];
      if (status !== "indexed" && status !== "skipped" && status !== "failed") return [];
      return [
        {
          path,
          generation,
          status,
          skipReason: status === "skipped" ? reason : null,
          error: status === "failed" || reason === "secret_detected" ? message : null,
          chunks,
          chunkedBy: chunkedBy.get(path) ?? null,
        },
      ];
    },
  );
  const secret = states.filter(({ skipReason }) => skipReason === "secret_detected");
  await deps.db.batch([
    writeIndexStates(deps.db, workspaceId, states, now),
    ...(secret.length === 0 ? [] : dropContent(deps.db, workspaceId, secret, now)),
    finishJobFiles(deps.db, jobId, outcomes),
    touchJob(deps.db, jobId, now),
    recountEndedJob(deps.db, jobId),
    finishJob(deps.db, jobId, now),
  ]);
}
