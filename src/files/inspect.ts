import { decodeText } from "../core/decode.ts";
import {
  findSecrets,
  SECRET_RULES,
  SECRETS_ALLOWED,
  type SecretFinding,
  secretMessage,
} from "../core/find-secrets.ts";
import { sha256Hex } from "../core/hash.ts";
import { LIMITS } from "../core/limits.ts";
import { generatedMark } from "./generated.ts";

/** Reasons that the bytes themselves give for not indexing a file. */
export type SkipReason =
  | "empty"
  | "too_large"
  | "binary"
  | "unsupported_encoding"
  | "secret_detected"
  // By rules on its name, or as its first lines say.
  | "ignored"
  | "generated";

export interface Inspected {
  size: number;
  /** Of the bytes as they came, hexadecimal. */
  sha256: string;
  skip: { reason: SkipReason; message: string } | null;
  /** Under which rules it was searched for secrets; `allowed` where it was not to be; null where it was not. */
  secretScan: string | null;
  findings: SecretFinding[];
}

export interface InspectOptions {
  /** Its name matters to a few rules on secrets. */
  path: string;
  allowSecrets: boolean;
  /** Generated files are taken like others. */
  allowGenerated: boolean;
}

const MESSAGES: Record<"empty" | "binary" | "unsupported_encoding", string> = {
  empty: "The file is empty.",
  binary: "The file is not text.",
  unsupported_encoding: "The file's text encoding cannot be read; convert it to UTF-8.",
};

/** Hashes a file, and says whether it can be indexed. */
export async function inspect(
  bytes: Uint8Array,
  { path, allowSecrets, allowGenerated }: InspectOptions,
): Promise<Inspected> {
  const base = { size: bytes.length, sha256: await sha256Hex(bytes), secretScan: null, findings: [] };
  if (bytes.length > LIMITS.indexedFileBytes) return { ...base, skip: tooLargeToIndex(bytes.length) };
  if (bytes.length === 0) return { ...base, skip: { reason: "empty", message: MESSAGES.empty } };
  const decoded = decodeText(bytes);
  if (decoded.ok) {
    const generated = allowGenerated ? null : generatedMark(decoded.text, path);
    if (generated !== null) return { ...base, skip: { reason: "generated", message: generated } };
    return { ...base, ...(await searchSecrets(decoded.text, path, allowSecrets)) };
  }
  return { ...base, skip: { reason: decoded.reason, message: MESSAGES[decoded.reason] } };
}

async function searchSecrets(
  text: string,
  path: string,
  allowed: boolean,
): Promise<Pick<Inspected, "skip" | "secretScan" | "findings">> {
  if (allowed) return { skip: null, secretScan: SECRETS_ALLOWED, findings: [] };
  const findings = await findSecrets(text, path);
  if (findings.length === 0) return { skip: null, secretScan: SECRET_RULES, findings };
  const skip = { reason: "secret_detected", message: secretMessage(findings) } as const;
  return { skip, secretScan: SECRET_RULES, findings };
}

/** Why a file of that size, in bytes, is not indexed. */
export function tooLargeToIndex(size: number): { reason: "too_large"; message: string } {
  return {
    reason: "too_large",
    message: `The file has ${size} bytes; files up to ${LIMITS.indexedFileBytes} bytes are indexed.`,
  };
}
