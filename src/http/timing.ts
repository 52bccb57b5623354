/** Durations of the phases of one request, for `Server-Timing` (W3C). Phases may overlap. */
export class Timing {
  readonly #entries = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Runs the work and adds its duration to the phase. */
  async measure<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const start = this.#now();
    try {
      return await work();
    } finally {
      this.add(phase, this.#now() - start);
    }
  }

  /** Adds milliseconds to the phase. */
  add(phase: string, durationMs: number): void {
    this.#entries.set(phase, (this.#entries.get(phase) ?? 0) + durationMs);
  }

  /** The header's value, or null where no phase was measured. */
  header(totalMs: number): string | null {
    if (this.#entries.size === 0) return null;
    return [...this.#entries, ["total", totalMs]].map(([phase, ms]) => `${phase};dur=${ms}`).join(", ");
  }
}
