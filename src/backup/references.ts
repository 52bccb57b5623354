import { z } from "zod";

/**
 * A backup refers to blobs that an earlier one holds: in its parts, in place of the bytes, stand lines that say in
 * which part of which archive they are. Always the archive that holds them, never one that refers to them. No I/O.
 */
export const ReferenceSchema = z.strictObject({
  blob: z.string().regex(/^[\w-]{1,100}$/),
  /** Of the blob's bytes, as is `size`. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().min(0),
  backup: z.string().max(100),
  part: z.int().min(1),
});
export type Reference = z.output<typeof ReferenceSchema>;

/** What a file's row keeps of where its blob was archived. */
export function archivedIn(backup: string, part: number, blob: string): string {
  return `${backup}/${part}/${blob}`;
}

/** Where the blob is archived; null where the note is of another blob, or there is none. */
export function archiveOf(note: string | null, blob: string): { backup: string; part: number } | null {
  const [backup = "", part, of] = note?.split("/") ?? [];
  return of === blob && Number.isSafeInteger(Number(part)) ? { backup, part: Number(part) } : null;
}

/** A backup that was completed, as `nextBase` looks at it. */
export interface Completed {
  id: string;
  base: string[] | null;
  recipients: string[];
  createdAt: number;
}

const DAY_MS = 86_400_000;

/**
 * Which backups the next one refers to; null where it is to be whole: after `wholeEvery` of them, when the last whole
 * one is past half of its time (all that refer to it go with it), and when it is encrypted to other keys.
 * @param completed newest first.
 */
export function nextBase(
  completed: readonly Completed[],
  given: { wholeEvery: number; retentionDays: number; recipients: readonly string[]; now: number },
): string[] | null {
  const [last] = completed;
  if (last === undefined) return null;
  const base = [...(last.base ?? []), last.id];
  const whole = completed.find(({ id }) => id === base[0]);
  if (whole === undefined || base.length >= given.wholeEvery) return null;
  if (given.now - whole.createdAt >= (given.retentionDays * DAY_MS) / 2) return null;
  return last.recipients.join() === given.recipients.join() ? base : null;
}
