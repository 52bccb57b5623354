import type { Config } from "./config.ts";
import type { Logger } from "./core/log.ts";
import type { MessageQueue } from "./core/ports.ts";
import type { Secret } from "./core/secret.ts";
import { type Database, openDatabase } from "./db/database.ts";

/** Everything that use cases ask for. Each declares the part that it needs. */
export interface Services {
  db: Database;
  blobs: R2Bucket;
  queue: MessageQueue;
  rootKey: Secret;
  log: Logger;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Work that may outlive the answer. */
  background(work: Promise<unknown>): void;
}

/** The only place that constructs clients. One for each request, message batch or cron run: nothing here does I/O. */
export function createServices(
  env: Env,
  config: Config,
  log: Logger,
  background: (work: Promise<unknown>) => void,
): Services {
  return {
    db: openDatabase(env.DB),
    blobs: env.BLOBS,
    queue: indexingQueue(env.INDEXING),
    rootKey: config.ROOT_API_KEY,
    log,
    now: Date.now,
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
