import type { Charge, Decision } from "../core/limiter.ts";

/** Up to this quota each request's millisecond is kept, and the window is exact to the millisecond. */
const EXACT_REQUESTS = 10_000;
/** Above it, requests share grains of a 4,096th of the window (0.9 s of an hour): at most 4,097 numbers. */
const GRAINS = 4096;

/** What is stored of a window: times (milliseconds, rising) and how many requests each stands for. */
export interface WindowSnapshot {
  times: Float64Array;
  counts: Float64Array;
}

/**
 * A sliding window: the log of what was admitted. No interval of the window's length ever holds more than the
 * quota. Under large quotas a request is logged at the end of its grain, so that the bound stays exact and a
 * place comes free at most one grain late. Has no clock: `now` is an argument, milliseconds, and may repeat.
 */
export class SlidingWindow {
  #times: number[] = [];
  #counts: number[] = [];
  /** First entry that is still in the window; what stands before it is dropped now and then. */
  #head = 0;
  #used = 0;

  constructor(snapshot?: WindowSnapshot) {
    if (snapshot === undefined) return;
    this.#times = [...snapshot.times];
    this.#counts = [...snapshot.counts];
    for (const count of this.#counts) this.#used += count;
  }

  /** What the charge would meet, counting nothing. */
  look(charge: Charge, now: number): Decision {
    this.#forget(now - charge.windowSeconds * 1000);
    const remaining = Math.max(0, charge.requests - this.#used);
    const allowed = this.#used + Math.max(1, charge.cost) <= charge.requests;
    const { policy, requests, windowSeconds } = charge;
    return {
      policy,
      requests,
      windowSeconds,
      allowed,
      remaining,
      resetMs: this.#resetMs(charge, allowed, now),
    };
  }

  /** Counts the charge, which `look` has just allowed, and says what is left. */
  record(charge: Charge, now: number): Decision {
    const grain = charge.requests <= EXACT_REQUESTS ? 1 : (charge.windowSeconds * 1000) / GRAINS;
    const last = this.#times.at(-1) ?? Number.NEGATIVE_INFINITY;
    // A clock that steps back must not put the log out of order: the later time is the careful one.
    const at = Math.max(last, grain === 1 ? now : Math.ceil(now / grain) * grain);
    if (at === last && this.#times.length > this.#head) {
      this.#counts[this.#counts.length - 1] = (this.#counts.at(-1) ?? 0) + charge.cost;
    } else {
      this.#times.push(at);
      this.#counts.push(charge.cost);
    }
    this.#used += charge.cost;
    return { ...this.look({ ...charge, cost: 0 }, now), allowed: true };
  }

  /** Uncounts the newest requests, up to `cost` of them. */
  giveBack(cost: number): void {
    for (let rest = cost; rest > 0 && this.#times.length > this.#head; ) {
      const count = this.#counts.at(-1) ?? 0;
      const taken = Math.min(rest, count);
      rest -= taken;
      this.#used -= taken;
      if (taken === count) {
        this.#times.pop();
        this.#counts.pop();
      } else this.#counts[this.#counts.length - 1] = count - taken;
    }
  }

  /** Requests in the log, as of the last call with a time. */
  get used(): number {
    return this.#used;
  }

  /** Time of the newest request (milliseconds), or null where there is none. */
  get newestAt(): number | null {
    return this.#times.length > this.#head ? (this.#times.at(-1) ?? null) : null;
  }

  snapshot(): WindowSnapshot {
    return {
      times: Float64Array.from(this.#times.slice(this.#head)),
      counts: Float64Array.from(this.#counts.slice(this.#head)),
    };
  }

  /** Drops what happened at or before the time. */
  #forget(start: number): void {
    while (this.#head < this.#times.length && (this.#times[this.#head] ?? 0) <= start) {
      this.#used -= this.#counts[this.#head] ?? 0;
      this.#head++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#head);
      this.#counts = this.#counts.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Refused: until enough requests have left for the charge. Allowed: until the oldest leaves. */
  #resetMs(charge: Charge, allowed: boolean, now: number): number {
    const windowMs = charge.windowSeconds * 1000;
    let missing = allowed ? 1 : this.#used + Math.max(1, charge.cost) - charge.requests;
    for (let i = this.#head; i < this.#times.length; i++) {
      missing -= this.#counts[i] ?? 0;
      if (missing <= 0) return Math.max(0, (this.#times[i] ?? now) + windowMs - now);
    }
    return windowMs;
  }
}
