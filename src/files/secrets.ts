import { rulesOf, SECRETS_ALLOWED } from "../core/find-secrets.ts";
import { newSecurityEvent, type SecurityEvent } from "../core/security-event.ts";
import type { FileRow } from "../db/files.ts";
import type { AcceptDeps } from "./accept.ts";
import type { Inspected } from "./inspect.ts";
import type { Uploader } from "./uploader.ts";

/** The version as it counts at its path: what an admin let through there stays let through while it is unchanged. */
export function asAllowed(row: FileRow | undefined, version: Inspected): Inspected {
  const allowed =
    version.skip?.reason === "secret_detected" &&
    row?.sha256 === version.sha256 &&
    row.secretScan === SECRETS_ALLOWED;
  return allowed ? { ...version, skip: null, secretScan: SECRETS_ALLOWED, findings: [] } : version;
}

/** Tells of a file that is left out: by its rules, never by its value or its path. */
export function recordSecrets(
  deps: Pick<AcceptDeps, "events">,
  uploader: Uploader,
  { findings }: Inspected,
): void {
  if (findings.length === 0) return;
  deps.events.record({ type: "secret_detected", ...uploader, detail: { rules: rulesOf(findings) } });
}

/** The event of an upload that is not to be searched for secrets. */
export function secretOverride(
  uploader: Uploader,
  allowSecrets: boolean,
  upload: "put" | "multipart" | "archive",
  nowMs: number,
): SecurityEvent | null {
  if (!allowSecrets) return null;
  return newSecurityEvent({ type: "secret_override", ...uploader, detail: { upload } }, nowMs);
}
