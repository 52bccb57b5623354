import { sql } from "drizzle-orm";
import type { Logger } from "../core/log.ts";
import type { Lru } from "../core/lru.ts";
import type { VectorStore } from "../core/ports.ts";
import { selectNewestGoodBackup } from "../db/backups.ts";
import type { Database } from "../db/database.ts";
import { countStalledJobs } from "../db/stalled-jobs.ts";

export const READINESS_KEPT_MS = 5000;
const PROBE_WITHIN_MS = 3000;
/** A job that waits this long for its next step shows a queue that does not deliver. */
const STALLED_MS = 15 * 60_000;
/** One a day is made; a deployment that has none yet is young. */
const BACKUP_AGE_MS = 26 * 3_600_000;

export const CHECK_NAMES = ["d1", "r2", "chroma", "embedder", "chat", "queue", "backup"] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

export interface Check {
  /** `unknown`: not configured, or nothing that costs nothing can tell. */
  status: "ok" | "failing" | "unknown";
  latency_ms: number;
}

export interface Readiness {
  /** `down`: without D1 or R2 nothing works. `degraded`: searches fall back, indexing waits. */
  status: "ok" | "degraded" | "down";
  checks: Record<CheckName, Check>;
}

export interface ReadinessDeps {
  db: Database;
  blobs: R2Bucket;
  vectors: VectorStore;
  /** Asks the embedding server whether it is there, without paying; null where it cannot be asked. */
  embedderProbe: (() => Promise<void>) | null;
  /** The same of the chat server; null where no model is configured, false where the server cannot be asked so. */
  chatProbe: (() => Promise<boolean>) | null;
  /** The answer of the last seconds. A finished one: a promise belongs to the request that made it. */
  readiness: Lru<Readiness>;
  /** Where there is none, no backup is expected. */
  backupRecipients: readonly string[];
  log: Logger;
  now(): number;
}

/** What the deployment can do right now; asked anew every five seconds at most. */
export async function readiness(deps: ReadinessDeps): Promise<Readiness> {
  const cached = deps.readiness.get("readiness");
  if (cached !== undefined) return cached;
  const fresh = await probeAll(deps);
  deps.readiness.set("readiness", fresh);
  return fresh;
}

async function probeAll(deps: ReadinessDeps): Promise<Readiness> {
  const { embedderProbe, chatProbe } = deps;
  const unknown: Check = { status: "unknown", latency_ms: 0 };
  const [d1, r2, chroma, embedder, chat, queue, backup] = await Promise.all([
    probe(deps, "d1", () => deps.db.run(sql`SELECT 1`)),
    probe(deps, "r2", () => deps.blobs.head("readiness")),
    probe(deps, "chroma", () => deps.vectors.ping()),
    embedderProbe === null ? unknown : probe(deps, "embedder", embedderProbe),
    chatProbe === null ? unknown : probe(deps, "chat", chatProbe),
    probe(deps, "queue", () => requireNoneStalled(deps)),
    deps.backupRecipients.length === 0 ? unknown : probe(deps, "backup", () => requireRecentBackup(deps)),
  ]);
  const checks = { d1, r2, chroma, embedder, chat, queue, backup };
  const failing = (check: Check) => check.status === "failing";
  const down = failing(d1) || failing(r2);
  return { status: down ? "down" : Object.values(checks).some(failing) ? "degraded" : "ok", checks };
}

/** @param work fails where the check does; resolves with false where it cannot tell. */
async function probe(deps: ReadinessDeps, name: CheckName, work: () => Promise<unknown>): Promise<Check> {
  const start = deps.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PROBE_WITHIN_MS} ms`)), PROBE_WITHIN_MS);
  });
  try {
    const told = await Promise.race([work(), late]);
    return { status: told === false ? "unknown" : "ok", latency_ms: deps.now() - start };
  } catch (cause) {
    deps.log.error("a readiness check fails", cause, { check: name });
    return { status: "failing", latency_ms: deps.now() - start };
  } finally {
    if (timer !== undefined) clearTimeout(timer);
  }
}

async function requireNoneStalled({ db, now }: ReadinessDeps): Promise<void> {
  const [row] = await countStalledJobs(db, now() - STALLED_MS);
  if (row !== undefined && row.count > 0) throw new Error(`${row.count} jobs wait for the queue`);
}

async function requireRecentBackup({ db, now }: ReadinessDeps): Promise<void> {
  const [newest] = await selectNewestGoodBackup(db);
  const at = newest?.at ?? null;
  if (at !== null && now() - at > BACKUP_AGE_MS)
    throw new Error("the newest good backup is over 26 hours old");
}
