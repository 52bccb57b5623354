import { hex, hmacSha256 } from "../core/hash.ts";
import type { Limiters } from "../core/limiter.ts";
import type { Logger } from "../core/log.ts";
import { checkPath } from "../core/path.ts";
import type { Secret } from "../core/secret.ts";
import { selectAttestations, upsertAttestation } from "../db/attestations.ts";
import type { Database } from "../db/database.ts";
import { countEventsSince, selectKeyFacts, selectNewest } from "../db/security-events.ts";
import type { ChecklistFacts } from "./checklist.ts";

const DAY_MS = 86_400_000;
/** Rows of `attestations` that tell when a secret was first seen; `detail` is its fingerprint. */
const SECRET_PREFIX = "secret:";

export interface MeasureDeps {
  db: Database;
  limiters: Limiters;
  log: Logger;
  now(): number;
}

export type MeasuredFacts = Pick<
  ChecklistFacts,
  | "nowMs"
  | "secretsSince"
  | "limiterAnswers"
  | "escapingPaths"
  | "keys"
  | "recentEvents"
  | "limiterFailedAtMs"
  | "newestBackupAtMs"
  | "attestations"
>;

/** Spellings of paths that lead out of a workspace. Tried each time, against the rules that requests meet. */
const ESCAPES = [
  "../secret",
  "a/../../secret",
  "/etc/passwd",
  "\\\\server\\share",
  "..\\secret",
  "C:/Windows/win.ini",
  "a\0.ts",
  "./a",
  "a//b",
];

/** What only asking can tell: stored state, a limiter's answer, what the path rules do. */
export async function measureFacts(
  deps: MeasureDeps,
  secrets: Record<string, Secret>,
): Promise<MeasuredFacts> {
  const nowMs = deps.now();
  const { db } = deps;
  const [limiterAnswers, secretsSince, recentEvents, [keys], [limiterFailed], [backup], attested] =
    await Promise.all([
      answers(deps),
      rememberSecrets(db, secrets, nowMs),
      countEventsSince(db, nowMs - DAY_MS).then(
        ([row]) => row?.count ?? 0,
        (cause) => {
          deps.log.error("security events cannot be read", cause);
          return null;
        },
      ),
      selectKeyFacts(db, nowMs),
      selectNewest(db, "limiter_unavailable"),
      selectNewest(db, "backup_created"),
      selectAttestations(db),
    ]);
  return {
    nowMs,
    secretsSince,
    limiterAnswers,
    escapingPaths: ESCAPES.filter((path) => checkPath(path).ok),
    keys: { live: keys?.live ?? 0, withoutExpiry: keys?.withoutExpiry ?? 0, oldestMs: keys?.oldest ?? null },
    recentEvents,
    limiterFailedAtMs: limiterFailed?.at ?? null,
    newestBackupAtMs: backup?.at ?? null,
    attestations: Object.fromEntries(
      attested
        .filter(({ name }) => !name.startsWith(SECRET_PREFIX))
        .map(({ name, at, detail }) => [name, { atMs: at, detail }]),
    ),
  };
}

async function answers({ limiters, log }: MeasureDeps): Promise<boolean> {
  try {
    await limiters("key:checklist").take([]);
    return true;
  } catch (cause) {
    log.error("the limiter does not answer", cause);
    return false;
  }
}

/**
 * When each secret's present value was first seen. Only a fingerprint is kept: 64 bits of an HMAC under the
 * secret itself, which tells a change and nothing else.
 */
async function rememberSecrets(
  db: Database,
  secrets: Record<string, Secret>,
  nowMs: number,
): Promise<Record<string, number>> {
  const known = new Map((await selectAttestations(db)).map((row) => [row.name, row]));
  const since: Record<string, number> = {};
  for (const [setting, secret] of Object.entries(secrets)) {
    const name = SECRET_PREFIX + setting;
    const fingerprint = hex(await hmacSha256(secret.reveal(), `devflow fingerprint of ${setting}`)).slice(
      0,
      16,
    );
    const row = known.get(name);
    if (row?.detail === fingerprint) since[setting] = row.at;
    else {
      since[setting] = nowMs;
      await upsertAttestation(db, { name, at: nowMs, detail: fingerprint });
    }
  }
  return since;
}
