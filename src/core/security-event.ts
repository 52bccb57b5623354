import { newTimeId } from "./ids.ts";

/** What is worth knowing after an incident. Stored as rows, printed as lines of the logger `security`. */
export const SECURITY_EVENT_TYPES = [
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
  "key_created",
  "key_updated",
  "key_rotated",
  "key_revoked",
  "key_new_network",
  "root_used",
  "workspace_created",
  "workspace_updated",
  "workspace_deleted",
  "backup_created",
  "backup_failed",
  "restore",
  "export",
  "budget_warning",
  "budget_exhausted",
  "limiter_unavailable",
  "attestation",
] as const;

export type SecurityEventType = (typeof SECURITY_EVENT_TYPES)[number];

/** Plain values only: a `Secret` is not one, so it cannot be put here. */
export type EventDetail = Record<string, string | number | boolean>;

export interface SecurityEventInput {
  type: SecurityEventType;
  workspaceId?: string | null;
  ip?: string | null;
  route?: string | null;
  keyId?: string | null;
  requestId?: string | null;
  detail?: EventDetail;
}

/** An event ready to be stored and printed: every string is bounded, escaped and free of credentials. */
export interface SecurityEvent {
  id: string;
  type: SecurityEventType;
  /** Milliseconds since the epoch. */
  at: number;
  count: number;
  workspaceId: string | null;
  ip: string | null;
  route: string | null;
  keyId: string | null;
  requestId: string | null;
  detail: EventDetail;
}

/** Records what happened, off the request's path. Never throws. */
export interface SecurityEvents {
  /** Line and row, aggregated per type, subject and minute. */
  record(event: SecurityEventInput): void;
  /** The line (and the alert) of an event whose row went into the batch of the change that it tells of. */
  stored(event: SecurityEvent): void;
}

/** Makes the event; `db/security-events.ts` turns it into a statement. */
export function newSecurityEvent(input: SecurityEventInput, nowMs: number): SecurityEvent {
  return {
    id: newTimeId("evt", nowMs),
    type: input.type,
    at: nowMs,
    count: 1,
    workspaceId: clean(input.workspaceId),
    ip: clean(input.ip),
    route: clean(input.route),
    keyId: clean(input.keyId),
    requestId: clean(input.requestId),
    detail: Object.fromEntries(
      Object.entries(input.detail ?? {}).map(([name, value]) => [
        name,
        typeof value === "string" ? (clean(value) ?? "") : value,
      ]),
    ),
  };
}

/** Longest string in an event, in UTF-16 units. */
const MAX_TEXT = 300;

function clean(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  return escapeForLog(redact(text)).slice(0, MAX_TEXT);
}

/** API keys (longer than the prefix that is shown of one), provider keys, JWTs and bearer headers, wherever they stand in a text. */
const CREDENTIALS =
  /dvf_[0-9A-Za-z]{9,}|\bsk-[0-9A-Za-z_-]{12,}|\beyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]*\.?[0-9A-Za-z_-]*|\bBearer\s+\S+/gi;

/** Replaces what looks like a credential. */
export function redact(text: string): string {
  return text.replace(CREDENTIALS, "[redacted]");
}

/**
 * Escapes what could forge a line or mislead its reader: control characters, line and paragraph separators,
 * bidirectional controls (CVE-2021-42574), zero-width characters, lone surrogates.
 */
export function escapeForLog(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
