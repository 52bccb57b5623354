import { sendAlert } from "./audit/alert.ts";
import { createSecurityEvents, WaitingEvents } from "./audit/event.ts";
import type { AuthenticateDeps } from "./auth/authenticate.ts";
import { KeyCache } from "./auth/key-cache.ts";
import { issuerOf, type MintDeps, readOwnToken } from "./auth/token.ts";
import { TokenKeys } from "./auth/token-keys.ts";
import type { Config } from "./config.ts";
import type { Limiters } from "./core/limiter.ts";
import { consoleSink, type Logger } from "./core/log.ts";
import type { MessageQueue } from "./core/ports.ts";
import type { SecurityEvent, SecurityEvents } from "./core/security-event.ts";
import { type Database, openDatabase } from "./db/database.ts";
import { LimitGate } from "./limits/gate.ts";
import { type PolicyTable, policyTable } from "./limits/policy.ts";

/** Everything that use cases ask for. Each declares the part that it needs. */
export interface Services {
  db: Database;
  blobs: R2Bucket;
  queue: MessageQueue;
  /** The object that counts a subject's requests and knows its keys. */
  limiters: Limiters;
  authentication: AuthenticateDeps;
  tokens: MintDeps;
  log: Logger;
  /** What this isolate remembers of limiters. */
  gate: LimitGate;
  policies: PolicyTable;
  events: SecurityEvents;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Work that may outlive the answer. */
  background(work: Promise<unknown>): void;
}

/**
 * What one isolate remembers between requests: bounded, and never trusted alone. Made once, beside the application,
 * so that no module keeps state.
 */
export interface Isolate {
  keys: KeyCache;
  tokenKeys: TokenKeys;
  gate: LimitGate;
  waitingEvents: WaitingEvents;
  policies: PolicyTable;
}

export function createIsolate(config: Config): Isolate {
  return {
    keys: new KeyCache(),
    tokenKeys: new TokenKeys(config.JWT_SECRET, config.JWT_SECRET_PREVIOUS ?? null),
    gate: new LimitGate(),
    waitingEvents: new WaitingEvents(),
    policies: policyTable(config),
  };
}

/** The only place that constructs clients. One for each request, message batch or cron run: nothing here does I/O. */
export function createServices(
  env: Env,
  config: Config,
  log: Logger,
  background: (work: Promise<unknown>) => void,
  isolate: Isolate = createIsolate(config),
): Services {
  const db = openDatabase(env.DB);
  const now = Date.now;
  const tokens: MintDeps = { tokenKeys: isolate.tokenKeys, issuer: issuerOf(config.ENVIRONMENT), now };
  return {
    db,
    blobs: env.BLOBS,
    queue: indexingQueue(env.INDEXING),
    limiters: (subject) => env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName(subject)),
    authentication: {
      db,
      rootKey: config.ROOT_API_KEY,
      keys: isolate.keys,
      readToken: (token) => readOwnToken(tokens, token),
      now,
      background,
    },
    tokens,
    gate: isolate.gate,
    policies: isolate.policies,
    events: createSecurityEvents({
      db,
      log,
      waiting: isolate.waitingEvents,
      line: consoleSink,
      alert: alertSender(config),
      now,
      background,
    }),
    log,
    now,
    background,
  };
}

/** `sendBatch` takes 100 messages and 256 KB at a time. */
function indexingQueue(queue: Queue): MessageQueue {
  return {
    async send(messages) {
      for (let start = 0; start < messages.length; start += 100) {
        await queue.sendBatch(
          messages.slice(start, start + 100).map((body) => ({ body, contentType: "json" })),
        );
      }
    },
  };
}

function alertSender(config: Config): ((event: SecurityEvent) => Promise<void>) | null {
  const { ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: secret } = config;
  if (url === undefined || secret === undefined) return null;
  const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const deps = {
    url,
    secret,
    fetch: (to: string, init: RequestInit) => fetch(to, init),
    now: Date.now,
    sleep,
  };
  return (event) => sendAlert({ ...deps, random: Math.random }, event);
}
