import type { Charge, Decision, LimiterSubject, Limiters, TakeAnswer, Watch } from "../core/limiter.ts";
import { Advances } from "./advance.ts";
import { SlidingWindow } from "./sliding-window.ts";

/** A limiter that does not answer within this counts as failed: a request should not wait longer for its limit. */
const ANSWER_WITHIN_MS = 2000;
/** While the limiter is down, search and poll stay open this long. */
const OPEN_FOR_MS = 60_000;
/** … at this share of their quota, in each isolate. */
const OPEN_SHARE = 0.1;
/** A refusal is believed this long without asking again, so that a raised limit is soon seen. */
const DENIAL_KEPT_MS = 10_000;
/** Subjects remembered in an isolate; the oldest is forgotten first. */
const MAX_ENTRIES = 10_000;
/** One event a minute tells of a limiter that is down. */
const REPORT_EVERY_MS = 60_000;

/** What an isolate that decides alone cannot tell. */
const NOTHING_MORE = { revoked: [], epoch: -1, crossed: [], advanced: 0 };

export interface GateAnswer extends TakeAnswer {
  /**
   * `limiter`: the object decided, or a moment before (see `Advances`). `cached`: it refused a moment ago. `fallback`: it is down and this isolate
   * decided; `revoked` and `epoch` are then unknown (empty, -1).
   */
  source: "limiter" | "cached" | "fallback";
}

/** The limiter is down, and the request may not pass without it. */
export class LimiterUnavailable extends Error {
  override readonly name = "LimiterUnavailable";
}

/**
 * What one isolate remembers of the limiters: who is over quota (their objects are spared while a flood lasts),
 * and since when limiters fail. One for each isolate, made at the composition root.
 */
export class LimitGate {
  readonly #denials = new Map<string, { until: number; at: number; decision: Decision }>();
  readonly #fallback = new Map<string, SlidingWindow>();
  #downSince: number | null = null;
  #reportedAt = Number.NEGATIVE_INFINITY;
  readonly #advances = new Advances();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Takes the charges from the subject's limiter.
   * @param ahead whether requests of a busy subject may be counted ahead: where neither revocation nor a later
   *   `giveBack` matters.
   * @param failOpen asked when the limiter is down: whether the request may pass for a while without it (search and poll).
   * Errors: `LimiterUnavailable` when the limiter fails and the request may not, or no longer, pass without it.
   */
  async take(
    limiters: Limiters,
    subject: LimiterSubject,
    charges: Charge[],
    options: { failOpen: () => boolean; watches?: Watch[]; ahead?: boolean },
  ): Promise<GateAnswer> {
    const cached = this.#denied(subject, charges);
    if (cached !== null) return cached;
    if (options.ahead) {
      const ahead = this.#advances.use(subject, this.#now());
      if (ahead !== null) return { ...ahead, source: "limiter" };
    }
    const advance = options.ahead ? this.#advances.request(subject, this.#now()) : undefined;
    let answer: TakeAnswer;
    try {
      const call = limiters(subject).take(charges, options.watches ?? [], advance);
      answer = await within(ANSWER_WITHIN_MS, call);
    } catch (cause) {
      return this.#withoutLimiter(subject, charges, options.failOpen(), cause);
    }
    this.#downSince = null;
    this.#remember(subject, charges, answer.decisions);
    if (advance !== undefined && advance.want > 0) this.#advances.granted(subject, answer, this.#now());
    return { ...answer, source: "limiter" };
  }

  /** A credential of this subject failed: its next requests ask the limiter again. */
  askAgain(subject: LimiterSubject): void {
    this.#advances.drop(subject);
  }

  /** Whether an event is due that tells of limiters being down; true at most once a minute. */
  reportDue(): boolean {
    const now = this.#now();
    if (now - this.#reportedAt < REPORT_EVERY_MS) return false;
    this.#reportedAt = now;
    return true;
  }

  #denied(subject: LimiterSubject, charges: Charge[]): GateAnswer | null {
    const now = this.#now();
    for (const charge of charges) {
      if (charge.cost === 0) continue;
      const denial = this.#denials.get(keyOf(subject, charge));
      if (denial === undefined) continue;
      if (denial.until <= now) {
        this.#denials.delete(keyOf(subject, charge));
        continue;
      }
      const resetMs = Math.max(1, denial.decision.resetMs - (now - denial.at));
      const decision = { ...denial.decision, resetMs };
      return { allowed: false, decisions: [decision], ...NOTHING_MORE, source: "cached" };
    }
    return null;
  }

  #remember(subject: LimiterSubject, charges: Charge[], decisions: Decision[]): void {
    const at = this.#now();
    for (const [i, decision] of decisions.entries()) {
      const charge = charges[i];
      if (decision.allowed || charge === undefined || charge.cost === 0) continue;
      const until = at + Math.min(decision.resetMs, DENIAL_KEPT_MS);
      bounded(this.#denials).set(keyOf(subject, charge), { until, at, decision });
    }
  }

  #withoutLimiter(subject: LimiterSubject, charges: Charge[], failOpen: boolean, cause: unknown): GateAnswer {
    const now = this.#now();
    this.#downSince ??= now;
    if (!failOpen || now - this.#downSince > OPEN_FOR_MS) {
      throw new LimiterUnavailable("The rate limiter does not answer.", { cause });
    }
    const decisions = charges.map((charge) => {
      const tenth = { ...charge, requests: Math.max(1, Math.floor(charge.requests * OPEN_SHARE)) };
      const key = keyOf(subject, charge);
      const window = this.#fallback.get(key) ?? new SlidingWindow();
      bounded(this.#fallback).set(key, window);
      const decision = window.look(tenth, now);
      return decision.allowed && charge.cost > 0 ? window.record(tenth, now) : decision;
    });
    const allowed = decisions.every((decision, i) => decision.allowed || charges[i]?.cost === 0);
    return { allowed, decisions, ...NOTHING_MORE, source: "fallback" };
  }
}

/** The quota is part of it: a key whose limit was raised is asked for anew. */
function keyOf(subject: LimiterSubject, charge: Charge): string {
  return `${subject} ${charge.policy} ${charge.requests}/${charge.windowSeconds}`;
}

/** Makes room for one more entry. */
function bounded<V>(map: Map<string, V>): Map<string, V> {
  if (map.size >= MAX_ENTRIES) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
  return map;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    if (timer !== undefined) clearTimeout(timer);
  }
}
