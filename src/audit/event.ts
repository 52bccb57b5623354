import { sha256 } from "../core/hash.ts";
import { newTimeId } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import {
  newSecurityEvent,
  type SecurityEvent,
  type SecurityEventInput,
  type SecurityEvents,
  type SecurityEventType,
} from "../core/security-event.ts";
import type { Database } from "../db/database.ts";
import { insertSecurityEvent } from "../db/security-events.ts";

const MINUTE_MS = 60_000;
/** Events wait this long for others of their minute: one line and one row then tell of all of them. */
const GATHER_MS = 150;
/** A gathering that is older was lost with its request; the next event starts another. */
const LOST_AFTER_MS = 10_000;
/** Different events that may wait at once; beyond them, addresses and keys are given up, counts are not. */
const MAX_WAITING = 1000;
/** Rows in one D1 batch. */
const BATCH = 50;

/** What tells of an attack or a fault; the rest tells of changes and use. */
const WARNINGS: ReadonlySet<SecurityEventType> = new Set([
  "auth_failed",
  "token_expired",
  "scope_denied",
  "rate_limit_exceeded",
  "suspicious_activity",
  "invalid_path",
  "unknown_host",
  "insecure_transport",
  "secret_detected",
  "secret_override",
  "key_new_network",
  "workspace_deleted",
  "backup_failed",
  "restore",
  "budget_warning",
  "budget_exhausted",
  "limiter_unavailable",
]);

/** What somebody should look at now. */
const ALERTS: ReadonlySet<SecurityEventType> = new Set([
  "suspicious_activity",
  "insecure_transport",
  "secret_override",
  "key_new_network",
  "workspace_deleted",
  "backup_failed",
  "restore",
  "limiter_unavailable",
  "budget_exhausted",
]);

/** Events of one isolate that are not yet written. One for each isolate, made at the composition root. */
export class WaitingEvents {
  readonly #waiting = new Map<string, SecurityEvent>();
  #gatheringSince = Number.NEGATIVE_INFINITY;

  /** Adds the event; true where the caller is to write what waits, a moment later. */
  add(event: SecurityEvent, now: number): boolean {
    const full = this.#waiting.size >= MAX_WAITING && !this.#waiting.has(aggregateKey(event));
    const kept = full ? { ...event, ip: null, keyId: null, workspaceId: null, requestId: null } : event;
    const key = aggregateKey(kept);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, kept);
    else waiting.count += kept.count;
    if (now - this.#gatheringSince < LOST_AFTER_MS) return false;
    this.#gatheringSince = now;
    return true;
  }

  /** All that waits; the next event starts a new gathering. */
  drain(): SecurityEvent[] {
    const events = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#gatheringSince = Number.NEGATIVE_INFINITY;
    return events;
  }
}

export interface SecurityEventDeps {
  db: Database;
  /** Failures of the recording itself. */
  log: Logger;
  waiting: WaitingEvents;
  /** Prints one line; at every log level. */
  line(level: "info" | "warning", line: string): void;
  /** Delivers an alert, or null where no webhook is set. Errors are logged. */
  alert: ((event: SecurityEvent) => Promise<void>) | null;
  now(): number;
  background(work: Promise<unknown>): void;
}

/** The one way in which security events are recorded: a line of the logger `security`, a row, perhaps an alert. */
export function createSecurityEvents(deps: SecurityEventDeps): SecurityEvents {
  return {
    record(input: SecurityEventInput) {
      const now = deps.now();
      const first = deps.waiting.add(newSecurityEvent(input, now), now);
      if (first) deps.background(writeSoon(deps));
    },
    stored(event: SecurityEvent) {
      deps.line(levelOf(event), eventLine(event));
      const { alert } = deps;
      if (alert !== null && ALERTS.has(event.type)) deps.background(guarded(deps, () => alert(event)));
    },
  };
}

async function writeSoon(deps: SecurityEventDeps): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  const events = await Promise.all(deps.waiting.drain().map(identified));
  for (const event of events) deps.line(levelOf(event), eventLine(event));
  await guarded(deps, async () => {
    for (let start = 0; start < events.length; start += BATCH) {
      const [first, ...rest] = events
        .slice(start, start + BATCH)
        .map((one) => insertSecurityEvent(deps.db, one));
      if (first) await deps.db.batch([first, ...rest]);
    }
  });
  const { alert } = deps;
  if (alert === null) return;
  await Promise.all(
    events.filter((event) => ALERTS.has(event.type)).map((event) => guarded(deps, () => alert(event))),
  );
}

/** The same id for the same type, subject and minute, in whatever isolate: the rows then add up. */
async function identified(event: SecurityEvent): Promise<SecurityEvent> {
  const digest = await sha256(aggregateKey(event));
  return {
    ...event,
    id: newTimeId("evt", minuteOf(event), (length) => digest.slice(0, length)),
  };
}

function aggregateKey(event: SecurityEvent): string {
  const { type, workspaceId, ip, keyId, route } = event;
  const { reason = null } = event.detail;
  // Some of one type differ in their detail: two reasons for suspicion are two events.
  return JSON.stringify([type, workspaceId, ip, keyId, route, reason, minuteOf(event)]);
}

function minuteOf(event: SecurityEvent): number {
  return Math.floor(event.at / MINUTE_MS) * MINUTE_MS;
}

function levelOf(event: SecurityEvent): "info" | "warning" {
  return WARNINGS.has(event.type) ? "warning" : "info";
}

/** One line of JSON; the order of its members is fixed. */
export function eventLine(event: SecurityEvent): string {
  return JSON.stringify({
    level: levelOf(event),
    logger: "security",
    time: new Date(event.at).toISOString(),
    type: event.type,
    count: event.count,
    id: event.id,
    ip: event.ip,
    route: event.route,
    workspace_id: event.workspaceId,
    key_id: event.keyId,
    request_id: event.requestId,
    detail: event.detail,
  });
}

/** Recording never fails a request: what goes wrong is logged. */
async function guarded(deps: SecurityEventDeps, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    deps.log.error("a security event could not be delivered", cause);
  }
}
