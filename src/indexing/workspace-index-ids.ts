import { createHash } from "node:crypto";
import { base32 } from "../core/ids.ts";
import type { FileToPlan } from "../core/ports.ts";

/** Base32 characters of an id that come from the digest (100 bits), and those that count revisions. */
const DIGEST_LENGTH = 20;
const DIGEST_BYTES = 13;
const REVISION_LENGTH = 5;

/**
 * One digest for each chunk, in order: of path, generation, embedded text and which of the file's equal chunks it is.
 */
export function chunkDigests({ path, generation, chunks }: FileToPlan): string[] {
  const occurrences = new Map<string, number>();
  return chunks.map(({ embedHash }) => {
    const occurrence = occurrences.get(embedHash) ?? 0;
    occurrences.set(embedHash, occurrence + 1);
    const digest = createHash("sha256")
      .update(JSON.stringify([path, generation, embedHash, occurrence]))
      .digest();
    return base32(digest.subarray(0, DIGEST_BYTES)).slice(0, DIGEST_LENGTH);
  });
}

/**
 * An id of the form `chk_…`. The revision of the file is part of it, and every change that gives up vectors counts
 * it up: an id that was condemned is never given out again, so a late deletion cannot hit a live vector.
 */
export function chunkIdOf(digest: string, revision: number): string {
  const bytes = new Uint8Array(5);
  new DataView(bytes.buffer).setUint32(1, revision);
  return `chk_${digest}${base32(bytes).slice(-REVISION_LENGTH)}`;
}
