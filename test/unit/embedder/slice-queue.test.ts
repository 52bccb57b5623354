import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SliceQueue, type Work } from "../../../scripts/embedder/slice-queue.ts";

interface Named extends Work {
  name: string;
}

function work(name: string, texts: readonly string[]): Named {
  return { name, texts, taken: 0 };
}

const CHUNK = "c".repeat(300);

function drain(queue: SliceQueue<Named>, most = Number.POSITIVE_INFINITY): string[] {
  const names: string[] = [];
  while (names.length < most) {
    const slice = queue.take();
    if (slice === null) break;
    names.push(slice.work.name);
  }
  return names;
}

describe("SliceQueue", () => {
  it("cuts a request into slices that are soon done", () => {
    const queue = new SliceQueue<Named>();
    queue.add(
      work(
        "large",
        Array.from({ length: 9 }, () => CHUNK),
      ),
    );
    const slices = [queue.take(), queue.take(), queue.take(), queue.take()];
    expect(slices.map((slice) => slice && [slice.start, slice.texts.length])).toEqual([
      [0, 3],
      [3, 3],
      [6, 3],
      null,
    ]);
  });

  it("takes a query before what is left of a large request", () => {
    const queue = new SliceQueue<Named>();
    queue.add(
      work(
        "large",
        Array.from({ length: 100 }, () => CHUNK),
      ),
    );
    queue.take();
    queue.add(work("query", ["where?"]));
    expect(drain(queue, 2)).toEqual(["query", "large"]);
  });

  it("ends one large request before it begins the next", () => {
    const queue = new SliceQueue<Named>();
    for (const name of ["first", "second"])
      queue.add(
        work(
          name,
          Array.from({ length: 9 }, () => CHUNK),
        ),
      );
    expect(drain(queue)).toEqual(["first", "first", "first", "second", "second", "second"]);
  });

  it("lets a large request get on while queries keep coming", () => {
    const queue = new SliceQueue<Named>();
    queue.add(
      work(
        "large",
        Array.from({ length: 100 }, () => CHUNK),
      ),
    );
    for (let i = 0; i < 20; i++) queue.add(work("query", ["where?"]));
    expect(drain(queue, 10).filter((name) => name === "large")).toHaveLength(2);
  });

  it("forgets what is dropped", () => {
    const queue = new SliceQueue<Named>();
    const gone = work(
      "gone",
      Array.from({ length: 100 }, () => CHUNK),
    );
    queue.add(gone);
    queue.take();
    queue.drop(gone);
    expect(queue.take()).toBeNull();
  });

  it("hands out every text once, in order", () => {
    const text = fc.string({ minLength: 1, maxLength: 1_500 });
    fc.assert(
      fc.property(fc.array(fc.array(text, { minLength: 1, maxLength: 30 }), { maxLength: 5 }), (requests) => {
        const queue = new SliceQueue<Named>();
        const all = requests.map((texts, index) => work(String(index), texts));
        for (const item of all) queue.add(item);
        const given = new Map(all.map((item) => [item, [] as string[]]));
        for (let slice = queue.take(); slice !== null; slice = queue.take()) {
          expect(slice.texts.length).toBeGreaterThan(0);
          expect(slice.start).toBe(given.get(slice.work)?.length);
          given.get(slice.work)?.push(...slice.texts);
        }
        for (const item of all) expect(given.get(item)).toEqual(item.texts);
      }),
    );
  });
});
