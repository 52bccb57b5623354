import { DurableObject } from "cloudflare:workers";
import type {
  Advance,
  Charge,
  Decision,
  RateLimiter as Limiter,
  TakeAnswer,
  Watch,
} from "../core/limiter.ts";
import { SlidingWindow, type WindowSnapshot } from "./sliding-window.ts";

/** Longer than any token lives (an hour) and any cached key is believed (seconds). */
const REVOCATION_KEPT_MS = 2 * 3_600_000;
/** A count that is not yet stored is stored this much later at the latest, while the object lives. */
const FLUSH_AFTER_MS = 1000;
/** … or at once, when a tenth of a quota is not yet stored. */
const FLUSH_SHARE = 0.1;

/** Requests are counted ahead only while so many more remain: small quotas, and the end of large ones, never. */
const ADVANCE_FLOOR = 1000;
const NO_ADVANCE: Advance = { want: 0, unused: 0 };

interface Counter {
  windowSeconds: number;
  startedAt: number;
  count: number;
  reported: boolean;
}

interface Keys {
  epoch: number;
  /** When the epoch moved on (milliseconds); 0: never. */
  changedAt: number;
  /** Key id → when it was revoked (milliseconds). */
  revoked: Record<string, number>;
}

/**
 * The limits of one subject (`ip:…` or `key:…`), decided in memory: taking is one synchronous step, so it is
 * exact under any concurrency. Windows are written a second after they change, or at once when a tenth of a
 * quota is not yet written; nobody waits for that write. So a crash forgets less than a tenth of each quota and
 * nothing older than a second; an eviction, which comes after seconds without a call, forgets nothing.
 * Revocations and the epoch are stored before `revoke` answers. An alarm erases the object once it is idle.
 *
 * Stored: `window:<policy>` (`WindowSnapshot`), `counters`, `keys`, `spans` (policy → seconds).
 */
export class RateLimiter extends DurableObject<Env> implements Limiter {
  readonly #windows = new Map<string, SlidingWindow>();
  /** Longest window that each policy was asked for, in seconds: when its log may be erased. */
  readonly #spans: Map<string, number>;
  readonly #counters: Map<string, Counter>;
  #keys: Keys;
  readonly #dirty = new Set<string>();
  #unsaved = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #alarmAt: number | null = null;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    const { kv } = state.storage;
    for (const [key, snapshot] of kv.list<WindowSnapshot>({ prefix: "window:" })) {
      this.#windows.set(key.slice("window:".length), new SlidingWindow(snapshot));
    }
    this.#spans = kv.get<Map<string, number>>("spans") ?? new Map();
    this.#counters = kv.get<Map<string, Counter>>("counters") ?? new Map();
    this.#keys = kv.get<Keys>("keys") ?? { epoch: 0, changedAt: 0, revoked: {} };
  }

  async take(charges: Charge[], watches: Watch[] = [], advance: Advance = NO_ADVANCE): Promise<TakeAnswer> {
    const now = Date.now();
    if (advance.unused > 0) this.#count(charges, watches, -advance.unused, now);
    const looked = charges.map((charge) => this.#window(charge).look(charge, now));
    const allowed = looked.every((decision, i) => decision.allowed || charges[i]?.cost === 0);
    const decisions = allowed ? charges.map((charge, i) => this.#record(charge, looked[i], now)) : looked;
    const crossed = watches.flatMap((watch) => this.#watch(watch, now));
    const advanced = allowed && this.#mayAdvance(decisions, watches, advance.want) ? advance.want : 0;
    if (advanced > 0) this.#count(charges, watches, advanced, now);
    this.#scheduleFlush(charges);
    const { revoked, epoch } = this.#keys;
    return { allowed, decisions, revoked: Object.keys(revoked), epoch, crossed, advanced };
  }

  /**
   * Whether so many requests may be counted ahead: only far from the end of each quota, so that places counted in
   * vain keep nobody out; only where nothing is counted that is merely looked at (failed credentials); and only
   * where no watch would report before the requests are there.
   */
  #mayAdvance(decisions: Decision[], watches: Watch[], want: number): boolean {
    if (want === 0) return false;
    const far = decisions.every(({ remaining, requests }, i) =>
      i === 0 ? remaining >= want + ADVANCE_FLOOR : remaining === requests,
    );
    return (
      far &&
      watches.every(({ name, threshold }) => {
        const counter = this.#counters.get(name);
        return counter !== undefined && (counter.reported || counter.count + want <= threshold);
      })
    );
  }

  /** Counts requests ahead (or, negative, uncounts them) in the first charge's window and in the watches. */
  #count([charge]: Charge[], watches: Watch[], requests: number, now: number): void {
    if (charge === undefined) return;
    if (requests > 0) this.#record({ ...charge, cost: requests }, undefined, now);
    else this.#window(charge).giveBack(-requests);
    this.#dirty.add(charge.policy);
    for (const { name } of watches) {
      const counter = this.#counters.get(name);
      if (counter !== undefined) counter.count = Math.max(0, counter.count + requests);
    }
  }

  async giveBack(charges: Charge[]): Promise<void> {
    for (const charge of charges) {
      this.#window(charge).giveBack(charge.cost);
      this.#dirty.add(charge.policy);
    }
    this.#scheduleFlush([]);
  }

  async revoke(keyId: string): Promise<void> {
    this.#keys.revoked[keyId] = Date.now();
    await this.changed();
  }

  async changed(): Promise<void> {
    // A time, so that an epoch never comes back after the object was erased: tokens carry it.
    this.#keys.epoch = Math.max(Date.now(), this.#keys.epoch + 1);
    this.#keys.changedAt = Date.now();
    this.ctx.storage.kv.put("keys", this.#keys);
    await this.#wakeAt(Date.now() + REVOCATION_KEPT_MS);
    // The output gate holds the answer until both are on disk.
  }

  /** Erases what has left its window; the object ends when nothing is left, or wakes again. */
  override async alarm(): Promise<void> {
    const now = Date.now();
    this.#alarmAt = null;
    for (const [name, counter] of this.#counters) {
      if (counter.startedAt + counter.windowSeconds * 1000 <= now) this.#counters.delete(name);
    }
    for (const [keyId, at] of Object.entries(this.#keys.revoked)) {
      if (at + REVOCATION_KEPT_MS <= now) delete this.#keys.revoked[keyId];
    }
    for (const policy of [...this.#windows.keys()]) {
      if (this.#endOf(policy) <= now) this.#windows.delete(policy);
    }
    const ends = this.#ends().filter((end) => end > now);
    if (ends.length > 0) {
      for (const policy of this.#spans.keys()) {
        if (this.#windows.has(policy)) continue;
        this.#spans.delete(policy);
        this.ctx.storage.kv.delete(`window:${policy}`);
      }
      this.ctx.storage.kv.put("keys", this.#keys);
      this.#flush();
      await this.#wakeAt(Math.max(...ends));
      return;
    }
    // The epoch starts at 0 again: no cache lives as long as a revocation is kept, so none can hold it.
    this.#keys = { epoch: 0, changedAt: 0, revoked: {} };
    this.#spans.clear();
    this.#dirty.clear();
    await this.ctx.storage.deleteAll();
  }

  #window({ policy, windowSeconds }: Charge): SlidingWindow {
    let window = this.#windows.get(policy);
    if (window === undefined) {
      window = new SlidingWindow();
      this.#windows.set(policy, window);
    }
    this.#spans.set(policy, Math.max(windowSeconds, this.#spans.get(policy) ?? 0));
    return window;
  }

  #record(charge: Charge, looked: Decision | undefined, now: number): Decision {
    if (charge.cost === 0 && looked !== undefined) return looked;
    this.#dirty.add(charge.policy);
    this.#unsaved += charge.cost / charge.requests;
    return this.#window(charge).record(charge, now);
  }

  #watch({ name, threshold, windowSeconds }: Watch, now: number): { name: string; count: number }[] {
    const last = this.#counters.get(name);
    const current =
      last !== undefined && now < last.startedAt + last.windowSeconds * 1000
        ? last
        : { windowSeconds, startedAt: now, count: 0, reported: false };
    current.count++;
    this.#counters.set(name, current);
    if (current.reported || current.count <= threshold) return [];
    current.reported = true;
    this.#unsaved = 1; // or a crash would report it twice
    return [{ name, count: current.count }];
  }

  #scheduleFlush(charges: Charge[]): void {
    if (this.#unsaved >= FLUSH_SHARE && charges.length > 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_AFTER_MS);
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#unsaved = 0;
    // Unconfirmed: the answers that wait meanwhile are not held back by the disk.
    const { storage } = this.ctx;
    const unconfirmed = { allowUnconfirmed: true };
    const failed = () => this.ctx.abort("the limits could not be stored");
    const entries: Record<string, unknown> = { counters: this.#counters, spans: this.#spans };
    for (const policy of this.#dirty) entries[`window:${policy}`] = this.#windows.get(policy)?.snapshot();
    this.#dirty.clear();
    storage.put(entries, unconfirmed).catch(failed);
    const ends = this.#ends();
    if (ends.length > 0) this.#wakeAt(Math.max(...ends)).catch(failed);
  }

  #endOf(policy: string): number {
    const newest = this.#windows.get(policy)?.newestAt ?? null;
    return newest === null ? 0 : newest + (this.#spans.get(policy) ?? 0) * 1000;
  }

  /** When each thing that is remembered may be forgotten. */
  #ends(): number[] {
    const windows = [...this.#windows.keys()].map((policy) => this.#endOf(policy)).filter((end) => end > 0);
    const counters = [...this.#counters.values()].map((one) => one.startedAt + one.windowSeconds * 1000);
    const revoked = Object.values(this.#keys.revoked).map((at) => at + REVOCATION_KEPT_MS);
    const changed = this.#keys.changedAt === 0 ? [] : [this.#keys.changedAt + REVOCATION_KEPT_MS];
    return [...windows, ...counters, ...revoked, ...changed];
  }

  /** Sets the alarm where none is set: it looks again by itself when it comes too early. */
  async #wakeAt(time: number): Promise<void> {
    if (this.#alarmAt !== null) return;
    this.#alarmAt = time;
    await this.ctx.storage.setAlarm(time, { allowUnconfirmed: true });
  }
}
