/** Failures in a row before an upstream counts as down. */
const THRESHOLD = 3;
/** How long nobody waits for it then; doubled with each probe that fails, up to the longest. */
const OPEN_MS = 5_000;
const LONGEST_OPEN_MS = 60_000;
/** A probe that told nothing for this long (its client may have gone) makes room for the next one. */
const PROBE_MS = 10_000;

/**
 * Remembers that an upstream is down, so that requests with another way out do not wait for it: closed while it
 * answers, open after failures in a row, half-open for one probe at a time once it was left alone for a while
 * (Nygard, "Release It!", 2007). Holds numbers only: requests of an isolate share no I/O.
 */
export class CircuitBreaker {
  readonly #now: () => number;
  #failures = 0;
  #openForMs = OPEN_MS;
  #openUntil = 0;
  #probeUntil = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Whether the upstream may be asked. Whoever is let through tells how it went. */
  admits(): boolean {
    if (this.#failures < THRESHOLD) return true;
    const now = this.#now();
    if (now < this.#openUntil || now < this.#probeUntil) return false;
    this.#probeUntil = now + PROBE_MS;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openForMs = OPEN_MS;
    this.#openUntil = 0;
    this.#probeUntil = 0;
  }

  failed(): void {
    this.#failures++;
    if (this.#failures < THRESHOLD) return;
    const now = this.#now();
    // Requests that were let through together fail together: that is one failure.
    if (now < this.#openUntil) return;
    this.#openUntil = now + this.#openForMs;
    this.#openForMs = Math.min(LONGEST_OPEN_MS, this.#openForMs * 2);
    this.#probeUntil = 0;
  }

  /** Milliseconds until the upstream is asked again; 0 while it may be asked. */
  get closedForMs(): number {
    return Math.max(0, this.#openUntil - this.#now());
  }
}
