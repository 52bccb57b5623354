import { newTimeId } from "../core/ids.ts";
import type { Principal } from "../core/principal.ts";
import { newSecurityEvent, type SecurityEvent, type SecurityEventType } from "../core/security-event.ts";
import type { KeyRow, NewKeyRow } from "../db/api-keys.ts";
import { digestApiKey, displayPrefix, generateApiKey } from "./api-key.ts";
import type { KeyPower } from "./key-rules.ts";

/** Who does it, and from where: for the rules and for the event. */
export interface Actor {
  principal: Principal;
  ip: string | null;
  route: string | null;
  requestId: string | null;
}

/** A key and, this once, its text. */
export interface CreatedKey {
  row: KeyRow;
  key: string;
}

/** A key's row, and the text that only its maker ever sees. */
export async function keyRow(
  nowMs: number,
  input: { workspaceId: string; name: string; power: KeyPower; actor: Actor; bucketId?: string | null },
): Promise<{ row: NewKeyRow; key: string }> {
  const key = generateApiKey();
  const id = newTimeId("key", nowMs);
  const { scopes, limits, expiresAtMs } = input.power;
  const row: NewKeyRow = {
    id,
    workspaceId: input.workspaceId,
    name: input.name,
    digest: await digestApiKey(key),
    prefix: displayPrefix(key),
    scopes,
    limits: Object.keys(limits).length === 0 ? null : limits,
    bucketId: input.bucketId ?? id,
    createdBy: input.actor.principal.keyId,
    createdAt: nowMs,
    expiresAt: expiresAtMs,
  };
  return { row, key };
}

/** What tells of a change to keys; its row goes into the batch of the change. */
export function eventOf(
  actor: Actor,
  type: SecurityEventType,
  workspaceId: string,
  keyId: string | null,
  detail: Record<string, string | number>,
  nowMs: number,
): SecurityEvent {
  const { ip, route, requestId, principal } = actor;
  const by = { by: principal.keyId };
  return newSecurityEvent(
    { type, workspaceId, keyId, ip, route, requestId, detail: { ...detail, ...by } },
    nowMs,
  );
}
