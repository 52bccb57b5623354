import { DevFlowError } from "../core/errors.ts";
import type { LeaseRequest, VectorStore, WorkspaceIndex } from "../core/ports.ts";

/** Calls of consumers to the vector store; searches read beside them, from the same quota of ten reads. */
export type LeasedVectors = Pick<VectorStore, "upsert" | "delete" | "get" | "existing">;

/** Of the places among the calls, those that only small jobs take. */
const RESERVED = 2;
/** Longer than a call with all its attempts; a lease whose holder died ends then. */
const TTL_MS = 180_000;
/** A vector that is embedded is paid for, so its writer waits long; each call of the index object waits this long. */
const WAIT_MS = 20_000;
const WAITS = 15;
/**
 * After a write of a large job: whoever waits for the lease sends its own before this one's chunks are committed. The
 * thread does both, and the store would stand idle meanwhile (0.52 of a direct upsert without, 0.61 with: means of six and
 * thirteen runs).
 */
const NEXT_LEAVES_MS = 10;

/**
 * The vector store as consumers of one workspace use it: so many calls at once, over all consumers, small jobs first.
 * Chroma Cloud takes ten writes of a collection at once; a server of one's own is slower with two than with one.
 * @param calls at once. Errors: `upstream_unavailable` where no place came free within minutes.
 */
export function leasedVectors(
  vectors: VectorStore,
  index: Pick<WorkspaceIndex, "acquire" | "release">,
  { calls, small }: { calls: number; small: boolean },
): LeasedVectors {
  const request: LeaseRequest = {
    pool: "vectors",
    capacity: calls,
    reserved: RESERVED,
    small,
    waitMs: WAIT_MS,
    ttlMs: TTL_MS,
  };

  async function leased<T>(work: () => Promise<T>): Promise<T> {
    for (let wait = 0; wait < WAITS; wait++) {
      const lease = await index.acquire(request);
      if (lease === null) continue;
      try {
        return await work();
      } finally {
        await index.release(lease);
      }
    }
    throw new DevFlowError(
      "upstream_unavailable",
      "The vector store is busy with the workspace's other writes.",
    );
  }

  return {
    async upsert(id, records) {
      if (records.length === 0) return;
      await leased(() => vectors.upsert(id, records));
      if (!small) await scheduler.wait(NEXT_LEAVES_MS);
    },
    delete: (id, ids) => (ids.length === 0 ? Promise.resolve() : leased(() => vectors.delete(id, ids))),
    get: (id, ids) => leased(() => vectors.get(id, ids)),
    existing: (id, ids) =>
      ids.length === 0 ? Promise.resolve(new Set()) : leased(() => vectors.existing(id, ids)),
  };
}
