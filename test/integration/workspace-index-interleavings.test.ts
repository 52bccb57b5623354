import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FileCommit, FilePlan, WorkspaceIndex } from "../../src/core/ports.ts";
import { ANYTHING, chunkOf, newIndex } from "../support/workspace-index.ts";

/**
 * Writers as the queue consumer is one, taken apart into their steps, and a vector store that is only a map. Each
 * writer goes one step when its number comes up; it may die after any step, and every message is delivered again
 * until it ends. Deletions, their clean-up and repair are writers too. Repair waits longer than a writer may live;
 * here it comes at any time, but a writer that it overtook does not die: nobody could know of its last vector.
 */
const PATHS = ["a.ts", "dir/b.ts"];
const TEXTS = ["one", "two", "three"];

type Change = { path: string; texts: string[] | null };

class World {
  readonly index: WorkspaceIndex = newIndex();
  /** id → embedHash, as the vector says what was embedded. */
  readonly vectors = new Map<string, string>();
  /** Those under way. */
  readonly running: { steps: AsyncGenerator<void, void>; mayDie: boolean }[] = [];
  /** Work to be done again should its writer die. */
  readonly desired: { path: string; generation: number; texts: string[] | null }[];

  constructor(changes: Change[]) {
    this.desired = changes.map((change, i) => ({ ...change, generation: i + 1 }));
  }

  start(change: World["desired"][number]): void {
    const steps = change.texts === null ? this.#remove(change) : this.#write(change, change.texts);
    this.running.push({ steps, mayDie: true });
  }

  repair(): void {
    this.running.push({ steps: this.#repair(), mayDie: true });
  }

  async *#write({ path, generation }: { path: string; generation: number }, texts: string[]) {
    for (let attempt = 0; ; attempt++) {
      // Each conflict is another writer's doing; more than there can be would go on for ever.
      if (attempt > 50) throw new Error(`${path} meets one conflict after the other`);
      const chunks = texts.map(chunkOf);
      const [plan] = (await this.index.plan([{ path, generation, chunks }])) as [FilePlan];
      if (plan.outcome === "stale") return;
      yield;
      const donors = plan.chunks.map(({ donorId }) => donorId && this.vectors.get(donorId));
      yield;
      for (const [i, { id, vector }] of plan.chunks.entries()) {
        if (vector !== "kept") this.vectors.set(id, donors[i] ?? chunks[i]?.embedHash ?? "");
      }
      yield;
      const [commit] = (await this.index.commit([
        {
          path,
          generation,
          baseGeneration: plan.baseGeneration,
          language: "typescript",
          chunks: chunks.map((chunk, i) => ({ ...chunk, id: plan.chunks[i]?.id ?? "" })),
        },
      ])) as [FileCommit];
      yield;
      if (commit.outcome === "conflict") continue;
      yield* this.#drop(commit.obsolete);
      return;
    }
  }

  async *#remove({ path, generation }: { path: string; generation: number }) {
    const { obsolete } = await this.index.remove([{ path, generation }]);
    yield;
    yield* this.#drop(obsolete);
  }

  async *#repair() {
    for (const writer of this.running) writer.mayDie = false;
    const ids = await this.index.unsettled(Date.now() + 1000, 100);
    yield;
    yield* this.#drop(ids);
  }

  async *#drop(ids: string[]) {
    for (const id of ids) this.vectors.delete(id);
    yield;
    await this.index.settle(ids);
  }

  /** One step of one writer; those that end, or die, leave. */
  async step(which: number, dies: boolean): Promise<void> {
    const at = which % this.running.length;
    const writer = this.running[at];
    if (writer === undefined) return;
    if ((dies && writer.mayDie) || (await writer.steps.next()).done) this.running.splice(at, 1);
  }

  async finish(): Promise<void> {
    while (this.running.length > 0) await this.step(0, false);
  }
}

const changes = fc.array(
  fc.record({
    path: fc.constantFrom(...PATHS),
    texts: fc.option(fc.array(fc.constantFrom(...TEXTS), { maxLength: 4 }), { freq: 4 }),
  }),
  { minLength: 1, maxLength: 6 },
);
const moves = fc.array(
  fc.record({
    do: fc.constantFrom("start", "step", "step", "step", "step", "die", "repair"),
    which: fc.nat(1000),
  }),
  { maxLength: 60 },
);

describe("WorkspaceIndex under writers that interleave, die and come twice", () => {
  it("ends with the newest content, and with exactly the vectors of its chunks", async () => {
    await fc.assert(
      fc.asyncProperty(changes, moves, async (given, order) => {
        const world = new World(given);
        for (const move of order) {
          const change = world.desired[move.which % world.desired.length];
          if (move.do === "start" && change) world.start(change);
          else if (move.do === "repair") world.repair();
          else await world.step(move.which, move.do === "die");
        }
        await world.finish();
        // Every message is delivered to its end at last, in any order; then repair has the rest.
        for (const change of world.desired.toReversed()) world.start(change);
        await world.finish();
        world.repair();
        await world.finish();

        const newest = PATHS.map((path) => world.desired.findLast((change) => change.path === path));
        const expected = newest.flatMap((change) =>
          (change?.texts ?? []).map((text) => `${change?.path} ${text}`),
        );
        const standing = await world.index.chunks([...world.vectors.keys()]);
        expect(standing.map(({ path, text }) => `${path} ${text}`).toSorted()).toEqual(expected.toSorted());
        expect(world.vectors.size).toBe(expected.length);
        for (const { id, text } of standing) expect(world.vectors.get(id)).toBe(chunkOf(text, 0).embedHash);

        expect(await world.index.unsettled(Date.now() + 1000, 100)).toEqual([]);
        const found = await world.index.lexical('"one" OR "two" OR "three"', ANYTHING, 100);
        expect(found.map(({ id }) => id).toSorted()).toEqual([...world.vectors.keys()].toSorted());
        const counted = newest.filter((change) => (change?.texts?.length ?? 0) > 0).length;
        expect(await world.index.stats()).toMatchObject({ files: counted, chunks: expected.length });
      }),
      { numRuns: 150 },
    );
  }, 120_000);
});
