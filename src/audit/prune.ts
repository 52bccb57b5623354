import { shortenedAddress } from "../core/address.ts";
import type { Database } from "../db/database.ts";
import { deleteIdempotencyBefore } from "../db/idempotency.ts";
import { deleteNetworksBefore } from "../db/key-networks.ts";
import { deleteSecurityEventsBefore, selectWholeAddresses, shortenAddress } from "../db/security-events.ts";

const DAY_MS = 86_400_000;
/** Whole addresses are personal data: kept as long as an incident needs them. */
export const ADDRESS_DAYS = 7;
export const EVENT_DAYS = 90;
const IDEMPOTENCY_DAYS = 1;
/** A network that a key was not used from for this long is new again. */
export const NETWORK_DAYS = 90;
/** Rows in one step; the rest waits for the next run. */
const STEP = 500;
const STEPS = 20;
/** D1 statements in one batch. */
const BATCH = 50;

export interface PruneDeps {
  db: Database;
  now(): number;
}

/**
 * Keeps retention: events for 90 days, their addresses whole for 7 days and then as /24 or /48, first answers
 * of `Idempotency-Key` for a day, networks of keys for 90 days after their last use. To be run by the cron; bounded, and safe to repeat.
 */
export async function pruneEvents(deps: PruneDeps): Promise<{ events: number; addresses: number }> {
  const now = deps.now();
  let events = 0;
  for (let step = 0; step < STEPS; step++) {
    const deleted = await deleteSecurityEventsBefore(deps.db, now - EVENT_DAYS * DAY_MS, STEP);
    events += deleted.length;
    if (deleted.length < STEP) break;
  }
  await deleteIdempotencyBefore(deps.db, now - IDEMPOTENCY_DAYS * DAY_MS);
  await deleteNetworksBefore(deps.db, now - NETWORK_DAYS * DAY_MS);
  return { events, addresses: await shortenAddresses(deps, now - ADDRESS_DAYS * DAY_MS) };
}

async function shortenAddresses(deps: PruneDeps, beforeMs: number): Promise<number> {
  const rows = await selectWholeAddresses(deps.db, beforeMs, STEP);
  const addresses = rows.flatMap(({ ip }) => (ip === null ? [] : [ip]));
  for (let start = 0; start < addresses.length; start += BATCH) {
    const [first, ...rest] = addresses
      .slice(start, start + BATCH)
      .map((ip) => shortenAddress(deps.db, ip, shortenedAddress(ip), beforeMs));
    if (first) await deps.db.batch([first, ...rest]);
  }
  return addresses.length;
}
