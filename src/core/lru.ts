/**
 * A bounded cache: the entry that was longest unused goes first, and none is believed for longer than its time.
 * One for each isolate, made at the composition root.
 */
export class Lru<V> {
  readonly #entries = new Map<string, { value: V; until: number }>();
  readonly #maxEntries: number;
  readonly #keptMs: number;
  readonly #now: () => number;

  /** @param keptMs how long an entry is believed after it was set, in milliseconds. */
  constructor(maxEntries: number, keptMs: number, now: () => number = Date.now) {
    this.#maxEntries = maxEntries;
    this.#keptMs = keptMs;
    this.#now = now;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.until <= this.#now()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: this.#now() + this.#keptMs });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  /** Another value under the key, believed no longer than the one that it replaces. */
  replace(key: string, value: V): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.value = value;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }
}
