import type { Database } from "./database.ts";
import { attestations } from "./schema.ts";

export type AttestationRow = typeof attestations.$inferSelect;

export function selectAttestations(db: Database) {
  return db.select().from(attestations);
}

/** The newest word on the name takes the place of the one before. */
export function upsertAttestation(db: Database, row: AttestationRow) {
  return db
    .insert(attestations)
    .values(row)
    .onConflictDoUpdate({ target: attestations.name, set: { at: row.at, detail: row.detail } });
}
