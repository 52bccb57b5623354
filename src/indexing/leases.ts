import type { LeaseRequest } from "../core/ports.ts";

interface Waiter {
  request: LeaseRequest;
  /** Takes the lease's id, or null once the wait is over. */
  settle(id: string | null): void;
}

interface Pool {
  /** Id of a lease → when it ends by itself, in milliseconds since the epoch. */
  held: Map<string, number>;
  /** In the order in which they came; small jobs before all others. */
  waiting: Waiter[];
}

/**
 * Leases of one workspace, held in memory: they bound what it does at once, and correctness does not rest on them.
 * Where the object that keeps them starts anew, all are free; one that is never given back ends by itself.
 */
export class Leases {
  readonly #pools = new Map<LeaseRequest["pool"], Pool>();
  readonly #now: () => number;
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @returns the id to give back, or null where none came free within the wait. */
  acquire(request: LeaseRequest): Promise<string | null> {
    const pool = this.#poolOf(request.pool);
    const id = this.#take(pool, request);
    if (id !== null || request.waitMs === 0) return Promise.resolve(id);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        pool.waiting = pool.waiting.filter((one) => one !== waiter);
        resolve(this.#take(pool, request));
      }, request.waitMs);
      const waiter: Waiter = {
        request,
        settle(taken) {
          clearTimeout(timer);
          resolve(taken);
        },
      };
      const before = request.small ? pool.waiting.findIndex((one) => !one.request.small) : -1;
      pool.waiting.splice(before < 0 ? pool.waiting.length : before, 0, waiter);
    });
  }

  /** Gives a lease back; one that has ended by itself, or that an earlier life gave out, is unknown and passed over. */
  release(id: string): void {
    for (const pool of this.#pools.values()) {
      if (!pool.held.delete(id)) continue;
      for (const waiter of [...pool.waiting]) {
        const taken = this.#take(pool, waiter.request);
        if (taken === null) continue;
        pool.waiting = pool.waiting.filter((one) => one !== waiter);
        waiter.settle(taken);
      }
    }
  }

  #take(pool: Pool, { capacity, reserved, small, ttlMs }: LeaseRequest): string | null {
    const now = this.#now();
    for (const [id, endsAt] of pool.held) if (endsAt <= now) pool.held.delete(id);
    const room = small ? capacity : Math.max(1, capacity - reserved);
    if (pool.held.size >= room) return null;
    const id = `${now}-${++this.#last}`;
    pool.held.set(id, now + ttlMs);
    return id;
  }

  #poolOf(name: LeaseRequest["pool"]): Pool {
    const pool = this.#pools.get(name) ?? { held: new Map(), waiting: [] };
    this.#pools.set(name, pool);
    return pool;
  }
}
