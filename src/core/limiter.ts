import type { PolicyName } from "./policy-names.ts";

/** A number of requests in any window of that length; `windowSeconds` slides. */
export interface Quota {
  requests: number;
  windowSeconds: number;
}

/** What one request asks of a subject's window. */
export interface Charge extends Quota {
  policy: PolicyName;
  /** Requests to count: 1 as a rule; 0 only looks, and never holds the other charges back. */
  cost: number;
}

/** What became of a charge. */
export interface Decision extends Quota {
  policy: PolicyName;
  allowed: boolean;
  /** Requests that the window still takes. */
  remaining: number;
  /** Milliseconds until the window takes more: until the charge would fit, or the oldest request leaves. */
  resetMs: number;
}

/** Something counted beside the limits: reported once in its window, when it happens more than `threshold` times. */
export interface Watch {
  name: string;
  threshold: number;
  windowSeconds: number;
}

export interface TakeAnswer {
  /** Every charge was allowed, and all are counted; otherwise none is. */
  allowed: boolean;
  /** In the order of the charges. */
  decisions: Decision[];
  /** Ids of this subject's keys that were revoked while tokens or caches may still know them. */
  revoked: string[];
  /** Changes whenever a key of this subject changes: what is cached under another epoch is to be read again. */
  epoch: number;
  /** Watches that passed their threshold with this call. */
  crossed: { name: string; count: number }[];
  /** Further requests that were counted ahead, as asked. */
  advanced: number;
}

/** Further requests to count ahead, and how many counted ahead before were not used. */
export interface Advance {
  want: number;
  unused: number;
}

/**
 * The sliding windows of one subject, and what is known of its keys: one Durable Object for each subject.
 * Subjects are `ip:<address or /64>` and `key:<bucket id>`.
 */
export interface RateLimiter {
  /** Counts all charges or none. */
  take(charges: Charge[], watches?: Watch[], advance?: Advance): Promise<TakeAnswer>;
  /** Uncounts charges of a request that another subject refused. */
  giveBack(charges: Charge[]): Promise<void>;
  /** Remembers that the key is revoked for longer than any of its tokens lives, and moves the epoch on. */
  revoke(keyId: string): Promise<void>;
  /** A key of this subject changed (scopes, limits, expiry): moves the epoch on. */
  changed(): Promise<void>;
}

/** Finds the limiter of a subject. */
export type Limiters = (subject: LimiterSubject) => RateLimiter;

export type LimiterSubject = `ip:${string}` | `key:${string}`;
