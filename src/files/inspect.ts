import { decodeText } from "../core/decode.ts";
import { sha256Hex } from "../core/hash.ts";
import { LIMITS } from "../core/limits.ts";

/** Reasons that the bytes themselves give for not indexing a file. */
export type SkipReason = "empty" | "too_large" | "binary" | "unsupported_encoding";

export interface Inspected {
  size: number;
  /** Of the bytes as they came, hexadecimal. */
  sha256: string;
  skip: { reason: SkipReason; message: string } | null;
}

const MESSAGES: Record<Exclude<SkipReason, "too_large">, string> = {
  empty: "The file is empty.",
  binary: "The file is not text.",
  unsupported_encoding: "The file's text encoding cannot be read; convert it to UTF-8.",
};

/** Hashes a file, and says whether it can be indexed. */
export async function inspect(bytes: Uint8Array): Promise<Inspected> {
  const base = { size: bytes.length, sha256: await sha256Hex(bytes) };
  if (bytes.length > LIMITS.indexedFileBytes) return { ...base, skip: tooLargeToIndex(bytes.length) };
  if (bytes.length === 0) return { ...base, skip: { reason: "empty", message: MESSAGES.empty } };
  const decoded = decodeText(bytes);
  if (decoded.ok) return { ...base, skip: null };
  return { ...base, skip: { reason: decoded.reason, message: MESSAGES[decoded.reason] } };
}

/** Why a file of that size, in bytes, is not indexed. */
export function tooLargeToIndex(size: number): { reason: "too_large"; message: string } {
  return {
    reason: "too_large",
    message: `The file has ${size} bytes; files up to ${LIMITS.indexedFileBytes} bytes are indexed.`,
  };
}
