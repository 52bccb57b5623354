import { newSecurityEvent, redact, type SecurityEvents } from "../core/security-event.ts";
import { upsertAttestation } from "../db/attestations.ts";
import type { Database } from "../db/database.ts";
import { insertSecurityEvent } from "../db/security-events.ts";
import { ATTESTATIONS, type AttestationName } from "./checklist.ts";

export const ATTESTATION_NAMES = Object.keys(ATTESTATIONS) as [AttestationName, ...AttestationName[]];

export interface AttestDeps {
  db: Database;
  events: SecurityEvents;
  now(): number;
}

/** Records that a person vouches for something as of now; its event is in the same batch. */
export async function attest(
  deps: AttestDeps,
  attestation: { name: AttestationName; detail: string | null; ip: string; requestId: string },
): Promise<{ name: AttestationName; atMs: number; detail: string | null }> {
  const atMs = deps.now();
  const { name, ip, requestId } = attestation;
  const detail = attestation.detail === null ? null : redact(attestation.detail);
  const event = newSecurityEvent(
    { type: "attestation", ip, requestId, keyId: "root", detail: { name } },
    atMs,
  );
  await deps.db.batch([
    upsertAttestation(deps.db, { name, at: atMs, detail }),
    insertSecurityEvent(deps.db, event),
  ]);
  deps.events.stored(event);
  return { name, atMs, detail };
}
