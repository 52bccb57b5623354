/** Texts of one request that are still to be embedded, in order. */
export interface Work {
  readonly texts: readonly string[];
  /** Index of the first text that no slice has taken yet. */
  taken: number;
}

/** A piece of a request, small enough that a waiting query is not kept long. */
export interface Slice<Item extends Work> {
  work: Item;
  start: number;
  texts: readonly string[];
}

/** Requests of up to this many texts go ahead of larger ones: a person waits for them. */
const SMALL_REQUEST_TEXTS = 8;
/** UTF-16 units in a slice, about 256 tokens of code: 30 ms of work. A longer text is a slice of its own. */
const SLICE_LENGTH = 900;
/** Slices of small requests in a row, after which a waiting large one gets a turn. */
const SMALL_STREAK = 4;

/**
 * Decides whose texts are embedded next: small requests first; within a lane one after the other, so that the
 * first is answered early instead of all of them late.
 */
export class SliceQueue<Item extends Work> {
  readonly #small: Item[] = [];
  readonly #large: Item[] = [];
  #streak = 0;

  add(work: Item): void {
    if (work.texts.length <= SMALL_REQUEST_TEXTS) this.#small.push(work);
    else this.#large.push(work);
  }

  /** Forgets the texts of a request that no slice has taken. */
  drop(work: Item): void {
    for (const lane of [this.#small, this.#large]) {
      const index = lane.indexOf(work);
      if (index >= 0) lane.splice(index, 1);
    }
  }

  take(): Slice<Item> | null {
    const yields = this.#streak >= SMALL_STREAK && this.#large.length > 0;
    const lane = this.#small.length > 0 && !yields ? this.#small : this.#large;
    const work = lane.shift();
    if (work === undefined) return null;
    this.#streak = lane === this.#small ? this.#streak + 1 : 0;
    const start = work.taken;
    work.taken = sliceEnd(work.texts, start);
    if (work.taken < work.texts.length) lane.unshift(work);
    return { work, start, texts: work.texts.slice(start, work.taken) };
  }
}

function sliceEnd(texts: readonly string[], start: number): number {
  let end = start;
  let length = 0;
  do {
    length += texts[end]?.length ?? 0;
    end++;
  } while (end < texts.length && length + (texts[end]?.length ?? 0) <= SLICE_LENGTH);
  return end;
}
