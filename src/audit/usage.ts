import type { Logger } from "../core/log.ts";
import { dayOf, type UsageAmounts, type UsageRecorder } from "../core/usage.ts";
import type { Database } from "../db/database.ts";
import { addRequestCounts, addUsage, type UsageAddition } from "../db/usage.ts";

/** Amounts wait this long for others, behind the answer: one write then holds those of many requests. */
export const USAGE_GATHER_MS = 1000;
/** A gathering that is older was lost with its request; the next amount starts another. */
const LOST_AFTER_MS = 10_000;
/** Keys that may wait at once; beyond them amounts are kept for their workspace alone. */
const MAX_KEYS = 5000;

const NOTHING: UsageAmounts = {
  requests: 0,
  embeddingTokens: 0,
  chatInputTokens: 0,
  chatOutputTokens: 0,
  bytesStored: 0,
};

/** Usage of one isolate that is not yet written. One for each isolate, made at the composition root. */
export class WaitingUsage {
  readonly gatherMs: number;
  #usage = new Map<string, UsageAddition>();
  #answers = new Map<string, { route: string; statusClass: string; count: number }>();
  #gatheringSince = Number.NEGATIVE_INFINITY;

  constructor(gatherMs: number = USAGE_GATHER_MS) {
    this.gatherMs = gatherMs;
  }

  add(addition: UsageAddition): void {
    const full = this.#usage.size >= MAX_KEYS;
    const { workspaceId, keyId, day } = full ? { ...addition, keyId: "" } : addition;
    const id = JSON.stringify([workspaceId, keyId, day]);
    const waiting = this.#usage.get(id);
    if (waiting === undefined) {
      this.#usage.set(id, { ...addition, keyId });
      return;
    }
    for (const name of Object.keys(NOTHING) as (keyof UsageAmounts)[]) waiting[name] += addition[name];
  }

  count(route: string, statusClass: string, count: number): void {
    const id = `${statusClass} ${route}`;
    const waiting = this.#answers.get(id);
    if (waiting === undefined) this.#answers.set(id, { route, statusClass, count });
    else waiting.count += count;
  }

  /** True where the caller is to write what waits, a moment later. */
  begin(now: number): boolean {
    if (now - this.#gatheringSince < LOST_AFTER_MS) return false;
    this.#gatheringSince = now;
    return true;
  }

  /** All that waits; the next amount starts a new gathering. */
  drain() {
    const usage = [...this.#usage.values()];
    const answers = [...this.#answers.values()];
    this.#usage = new Map();
    this.#answers = new Map();
    this.#gatheringSince = Number.NEGATIVE_INFINITY;
    return { usage, answers };
  }
}

/** A point of Workers Analytics Engine, as its binding takes it. */
export interface AnalyticsPoint {
  indexes: string[];
  blobs: string[];
  doubles: number[];
}

export interface UsageDeps {
  readonly db: Database;
  waiting: WaitingUsage;
  /** Where the binding `ANALYTICS` is bound. */
  analytics: { writeDataPoint(point: AnalyticsPoint): void } | null;
  log: Logger;
  now(): number;
  background(work: Promise<unknown>): void;
}

/** The one way into the ledger: amounts are added up in the isolate, and written behind the answer. */
export function createUsage(deps: UsageDeps): UsageRecorder {
  const { waiting } = deps;
  const writeLater = () => {
    if (waiting.begin(deps.now())) deps.background(writeSoon(deps));
  };
  return {
    add(workspaceId, keyId, amounts) {
      waiting.add({ ...NOTHING, ...amounts, workspaceId, keyId: keyId ?? "", day: dayOf(deps.now()) });
      writeLater();
    },
    answered(route, status) {
      waiting.count(route ?? "none", `${Math.floor(status / 100)}xx`, 1);
      writeLater();
    },
  };
}

async function writeSoon(deps: UsageDeps): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, deps.waiting.gatherMs));
  const { usage, answers } = deps.waiting.drain();
  try {
    await deps.db.batch([addUsage(deps.db, usage), addRequestCounts(deps.db, answers)]);
  } catch (cause) {
    // One batch is one transaction: nothing of it was written, and the next one takes it along.
    for (const addition of usage) deps.waiting.add(addition);
    for (const { route, statusClass, count } of answers) deps.waiting.count(route, statusClass, count);
    deps.log.error("usage is not written yet", cause);
    return;
  }
  for (const one of usage) deps.analytics?.writeDataPoint(pointOf(one));
}

/** `docs/observability/README.md` tells what each place of a point holds. */
function pointOf(one: UsageAddition): AnalyticsPoint {
  const { requests, embeddingTokens, chatInputTokens, chatOutputTokens, bytesStored } = one;
  return {
    indexes: [one.workspaceId],
    blobs: [one.keyId, one.day],
    doubles: [requests, embeddingTokens, chatInputTokens, chatOutputTokens, bytesStored],
  };
}
