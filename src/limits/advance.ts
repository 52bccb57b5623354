import type { Decision, LimiterSubject, TakeAnswer } from "../core/limiter.ts";

/** Requests counted ahead for one isolate at most: what a subject that falls silent may have counted in vain. */
const MOST = 32;
/** Asked for: this share of what the subject sent in the last second, so that a slow one is never counted ahead. */
const SHARE = 1 / 4;
/** Asked for anew when this share of the last ones is left, so that requests side by side seldom find none. */
const LOW_SHARE = 1 / 4;
/** Requests counted ahead are good for this long; what is left of them then is handed back. */
const GOOD_FOR_MS = 1000;
/** A limiter that did not answer the asker for this long is asked anew. */
const ASKING_MS = 2000;
/** Subjects remembered in an isolate; the oldest is forgotten first. */
const MAX_SUBJECTS = 1000;

interface Account {
  /** Start of the second that is being counted, and requests in it and in the one before. */
  second: number;
  seen: number;
  before: number;
  left: number;
  /** See `LOW_SHARE`. */
  low: number;
  until: number;
  /** Counted ahead and not used: to be handed back with the next call. */
  unused: number;
  /** When the limiter was asked, until it answers. */
  askedAt: number;
  decisions: Decision[];
}

/**
 * Requests of busy subjects, counted ahead: one call to a limiter admits up to 33 requests of this isolate. The limit
 * stays exact, as each is counted before it is admitted; near the end of a quota, and before a watch would report,
 * the limiter grants none. Holds numbers only: requests of an isolate share no I/O.
 */
export class Advances {
  readonly #accounts = new Map<LimiterSubject, Account>();

  /** One request counted ahead, or null where there is none and the limiter is to be asked. */
  use(subject: LimiterSubject, now: number): TakeAnswer | null {
    const account = this.#account(subject, now);
    account.seen++;
    if (account.left > 0 && now >= account.until) this.#void(account);
    if (account.left === 0 || (account.left <= account.low && this.#mayAsk(account, now))) return null;
    account.left--;
    account.decisions = account.decisions.map((decision) => ({
      ...decision,
      remaining: decision.remaining - (decision.policy === "ip" ? 1 : 0),
    }));
    return { allowed: true, decisions: account.decisions, revoked: [], epoch: -1, crossed: [], advanced: 0 };
  }

  /** What to ask the limiter for, beside the request's own charge. What is handed back is forgotten here. */
  request(subject: LimiterSubject, now: number): { want: number; unused: number } {
    const account = this.#account(subject, now);
    const { unused } = account;
    account.unused = 0;
    const pace = Math.max(account.seen, account.before);
    const asks = account.left <= account.low && this.#mayAsk(account, now);
    const want = asks ? Math.min(MOST, Math.floor(pace * SHARE)) : 0;
    if (want > 0) account.askedAt = now;
    return { want, unused };
  }

  /** Keeps what the limiter granted. */
  granted(subject: LimiterSubject, answer: TakeAnswer, now: number): void {
    const account = this.#account(subject, now);
    account.askedAt = Number.NEGATIVE_INFINITY;
    if (answer.advanced === 0) return;
    // Those still left are counted by the limiter, but not used.
    const { left } = account;
    account.decisions = answer.decisions.map((one) =>
      one.policy === "ip" ? { ...one, remaining: one.remaining + left } : one,
    );
    account.left = left + answer.advanced;
    account.low = Math.floor(answer.advanced * LOW_SHARE);
    account.until = now + GOOD_FOR_MS;
  }

  /** After a failed credential: the limiter is to be asked about each request again. */
  drop(subject: LimiterSubject): void {
    const account = this.#accounts.get(subject);
    if (account !== undefined) this.#void(account);
  }

  /** One asker at a time: the others of a burst would each be given as many. */
  #mayAsk(account: Account, now: number): boolean {
    return now - account.askedAt >= ASKING_MS;
  }

  #void(account: Account): void {
    account.unused += account.left;
    account.left = 0;
  }

  #account(subject: LimiterSubject, now: number): Account {
    let account = this.#accounts.get(subject);
    if (account === undefined) {
      if (this.#accounts.size >= MAX_SUBJECTS) {
        const [oldest] = this.#accounts.keys();
        if (oldest !== undefined) this.#accounts.delete(oldest);
      }
      account = {
        second: now,
        seen: 0,
        before: 0,
        left: 0,
        low: 0,
        until: 0,
        unused: 0,
        askedAt: Number.NEGATIVE_INFINITY,
        decisions: [],
      };
      this.#accounts.set(subject, account);
    }
    if (now - account.second >= 1000) {
      account.before = now - account.second < 2000 ? account.seen : 0;
      account.seen = 0;
      account.second = now;
    }
    return account;
  }
}
