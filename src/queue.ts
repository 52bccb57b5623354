import { continueBackup, failBackup } from "./backup/create.ts";
import { continueRestore, failRestore, type RestoreDeps } from "./backup/restore.ts";
import { withKnownVectors } from "./backup/restore-part.ts";
import { mapBounded } from "./core/bounded.ts";
import { BudgetExhaustedError } from "./core/budget.ts";
import { DevFlowError } from "./core/errors.ts";
import type { LogFields } from "./core/log.ts";
import { IndexingMessageSchema } from "./core/messages.ts";
import type { IndexingMessage } from "./core/ports.ts";
import { noteJobError, selectRequestOfJob } from "./db/jobs.ts";
import { runDeletion } from "./files/run-deletion.ts";
import { runExport } from "./files/run-export.ts";
import { runSync } from "./files/run-sync.ts";
import { unpackArchive } from "./files/unpack-archive.ts";
import type { IndexingDeps } from "./indexing/deps.ts";
import { eraseWorkspace } from "./indexing/erase-workspace.ts";
import { expandJob } from "./indexing/expand-job.ts";
import { failMessage } from "./indexing/fail-files.ts";
import { indexFiles } from "./indexing/index-files.ts";
import { pauseForBudget } from "./indexing/pause.ts";
import { sendMessages } from "./indexing/repair.ts";
import { sweepJob } from "./indexing/sweep.ts";
import type { Services } from "./services.ts";

/**
 * Messages worked on side by side: while one waits for the embedder another waits for the vector store. Each holds the
 * vectors of two groups of files, 300 at most of either, and a Worker has 128 MB.
 */
const WIDTH = 4;
/**
 * Messages of one workspace worked on at once, over all consumers, and those of them for small jobs: where a large job
 * has all of its places, its next messages go behind those of others.
 */
export const PLACES = { pool: "messages", capacity: 12, reserved: 4, waitMs: 0, ttlMs: 15 * 60_000 } as const;
const NO_PLACE_DELAY_SECONDS = 5;
/** Waits between deliveries grow threefold from the first to the longest: five of them take eight minutes. */
const FIRST_DELAY_SECONDS = 5;
const LONGEST_DELAY_SECONDS = 300;
/** Milliseconds that the files of one part of a backup may be parsed for: sources of 16 MiB take some thirty seconds. */
const RESTORE_PARSE_MS = 120_000;
/** Calls that others have under way take seconds; what they never settle is spent after ten minutes. */
const HELD_DELAY_SECONDS = 10;

type Handlers = {
  [K in IndexingMessage["kind"]]: (
    services: Services,
    message: Extract<IndexingMessage, { kind: K }>,
  ) => Promise<void>;
};

const HANDLERS: Handlers = {
  index: indexInTurn,
  expand: expandJob,
  sweep: sweepJob,
  delete: runDeletion,
  delete_workspace: eraseWorkspace,
  archive: (services, message) => unpackArchive(services, message),
  sync: runSync,
  backup: continueBackup,
  export: runExport,
  restore: (services, message) => continueRestore(restoring(services), message),
};

/** Consumes the queue `indexing` and its dead letters. Each message is acknowledged or retried by itself. */
export async function consume(services: Services, batch: MessageBatch): Promise<void> {
  const dead = batch.queue.endsWith("-dead");
  await mapBounded(batch.messages, WIDTH, async (delivery) => {
    const parsed = IndexingMessageSchema.safeParse(delivery.body);
    if (!parsed.success) {
      services.log.error("a message could not be read", parsed.error, { message_id: delivery.id });
      delivery.ack();
      return;
    }
    const message = parsed.data;
    try {
      await (dead ? giveUp(services, message) : handle(services, message));
      delivery.ack();
    } catch (error) {
      await refuse(services, delivery, message, error);
    }
  });
}

async function handle(services: Services, message: IndexingMessage): Promise<void> {
  const handler = HANDLERS[message.kind] as (services: Services, message: IndexingMessage) => Promise<void>;
  try {
    await handler(services, message);
  } catch (error) {
    if (message.kind === "delete_workspace") throw error;
    if (error instanceof BudgetExhaustedError) return waitForBudget(services, message, error);
    // What no retry mends is told at once.
    if (!(error instanceof DevFlowError) || error.retryable) throw error;
    services.log.warning(error.message, { code: error.code, ...(await originOf(services, message)) });
    if (message.kind === "backup") return failBackup(services, message.jobId, error.message);
    if (message.kind === "restore") return failRestore(services, message.jobId, error.message);
    await failMessage(services, message, error.code, error.message);
  }
}

/** What a restore needs: files are indexed as ever, but for vectors that came with them. */
function restoring(services: Services): RestoreDeps {
  const { db, blobs, queue, events, restoreEnabled, now } = services;
  const parser = services.syntax.forMessage(RESTORE_PARSE_MS);
  return {
    db,
    blobs,
    queue,
    events,
    restoreEnabled,
    now,
    resumeJob: (job) => sendMessages(services, job),
    async indexFiles(workspaceId, jobId, files, known) {
      const deps: IndexingDeps = {
        ...services,
        db,
        events,
        syntax: { forMessage: () => parser },
        embedder: services.embedder,
        vectors: services.vectors,
        embedderFor: (id, tokens, keyId, model) =>
          withKnownVectors(services.embedderFor(id, tokens, keyId, model), known),
      };
      try {
        await indexFiles(deps, { kind: "index", workspaceId, jobId, files, bulk: true });
      } catch (error) {
        // What the month cannot pay for is indexed when it can, as after any upload.
        if (!(error instanceof BudgetExhaustedError)) throw error;
      }
    },
  };
}

/** Without a place the message is sent again: that spends none of its retries. */
async function indexInTurn(
  services: Services,
  message: Extract<IndexingMessage, { kind: "index" }>,
): Promise<void> {
  const index = services.workspaceIndex(message.workspaceId);
  const place = await index.acquire({ ...PLACES, small: message.bulk !== true });
  if (place === null) return services.queue.send([message], NO_PLACE_DELAY_SECONDS);
  try {
    await indexFiles(services, message);
  } finally {
    await index.release(place);
  }
}

/** Neither spends a retry: tokens come back when calls under way settle, or when the job goes on. */
async function waitForBudget(
  services: Services,
  message: IndexingMessage,
  refusal: BudgetExhaustedError,
): Promise<void> {
  if (refusal.heldByOthers) await services.queue.send([message], HELD_DELAY_SECONDS);
  else await pauseForBudget(services, message, refusal);
}

async function giveUp(services: Services, message: IndexingMessage): Promise<void> {
  // What is to be erased is erased: the cron takes it up again, as often as it needs.
  if (message.kind === "delete_workspace") return;
  services.log.error("gave up on a message", new Error("retries are spent"), {
    kind: message.kind,
    ...(await originOf(services, message)),
  });
  if (message.kind === "backup") {
    return failBackup(services, message.jobId, "A part could not be written for a while; see the logs.");
  }
  if (message.kind === "restore") {
    return failRestore(services, message.jobId, "A part could not be restored for a while; see the logs.");
  }
  const detail = "It could not be indexed for a while, and retries are spent. Retry with POST /v1/index.";
  await failMessage(services, message, "upstream_unavailable", detail);
}

async function refuse(
  services: Services,
  delivery: Message,
  message: IndexingMessage,
  error: unknown,
): Promise<void> {
  const delaySeconds = retryDelaySeconds(delivery.attempts, Math.random(), retryAfterSeconds(error));
  services.log.error("a message is retried", error, {
    kind: message.kind,
    ...(await originOf(services, message)),
    attempts: delivery.attempts,
    delay_seconds: delaySeconds,
  });
  delivery.retry({ delaySeconds });
  const detail = error instanceof DevFlowError ? error.message : "Something failed on our side.";
  // The message is retried whether or not this can be written.
  await noteJobError(services.db, message.jobId, detail, services.now()).catch((cause: unknown) =>
    services.log.error("a job's error could not be noted", cause),
  );
}

/** What a log line of the queue is found by: the job, and the request that it began with, whose own lines have its id. */
async function originOf({ db }: Services, { jobId }: IndexingMessage): Promise<LogFields> {
  const [row] = await selectRequestOfJob(db, jobId).catch(() => []);
  return { job_id: jobId, request_id: row?.requestId };
}

/**
 * Seconds until the next delivery: threefold each time, half of it random, and not before the upstream asked for.
 * @param attempts deliveries so far, from 1. @param random uniform over [0, 1).
 */
export function retryDelaySeconds(attempts: number, random: number, atLeast: number): number {
  const delay = Math.min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 3 ** (attempts - 1));
  return Math.ceil(Math.max(delay * (1 + random) * 0.5, Math.min(atLeast, LONGEST_DELAY_SECONDS)));
}

function retryAfterSeconds(error: unknown): number {
  const header = error instanceof DevFlowError ? Number(error.headers["retry-after"]) : 0;
  return Number.isFinite(header) ? header : 0;
}
