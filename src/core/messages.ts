import { z } from "zod";
import type { IndexingMessage } from "./ports.ts";
import { utf8Length } from "./tokens.ts";

/** Messages of the queue `indexing`, as they are read back: another version of the Worker may have written them. */
const base = { workspaceId: z.string().min(1), jobId: z.string().min(1), bulk: z.literal(true).optional() };
export const IndexingMessageSchema = z.discriminatedUnion("kind", [
  z.object({
    ...base,
    kind: z.literal("index"),
    files: z.array(z.object({ path: z.string().min(1), generation: z.int() })),
  }),
  z.object({ ...base, kind: z.literal("expand"), afterPath: z.string() }),
  z.object({
    ...base,
    kind: z.literal("sweep"),
    step: z.enum(["chunks", "vectors", "blobs", "contents"]),
    after: z.string(),
    owned: z.int().min(0).optional(),
  }),
  z.object({ ...base, kind: z.literal("archive") }),
  z.object({ ...base, kind: z.literal("sync"), looked: z.boolean().optional() }),
  z.object({ ...base, kind: z.literal("delete") }),
  z.object({ ...base, kind: z.literal("export") }),
  z.object({ ...base, kind: z.literal("delete_workspace") }),
  z.object({ ...base, kind: z.literal("backup"), part: z.int().min(1).optional() }),
  z.object({ ...base, kind: z.literal("restore"), part: z.int().min(1).optional() }),
]) satisfies z.ZodType<IndexingMessage>;

type IndexMessage = Extract<IndexingMessage, { kind: "index" }>;

/** Bounds of one `index` message: its files are held in memory at once, and are retried together. */
const MAX_FILES = 50;
const MAX_SOURCE_BYTES = 256 * 1024;
/** A job of more messages is a large one: they go by the queue that small jobs do not wait in. */
const SMALL_JOB_MESSAGES = 2;

/** A file to be indexed; `size` in bytes. */
export interface FileToIndex {
  path: string;
  generation: number;
  size: number;
}

/**
 * The files of a job in messages of bounded size, in order. A file larger than the bound travels alone.
 * @param job `bulk` where these are but a part of a large job's files; else their number decides.
 */
export function indexMessages(
  workspaceId: string,
  jobId: string,
  files: FileToIndex[],
  job: { bulk: boolean } = { bulk: false },
): IndexingMessage[] {
  const messages: IndexMessage[] = [];
  let batch: { path: string; generation: number }[] = [];
  let bytes = 0;
  const flush = () => {
    if (batch.length > 0) messages.push({ kind: "index", workspaceId, jobId, files: batch });
    batch = [];
    bytes = 0;
  };
  for (const { path, generation, size } of files) {
    if (batch.length >= MAX_FILES || bytes + size > MAX_SOURCE_BYTES) flush();
    batch.push({ path, generation });
    bytes += size;
  }
  flush();
  return job.bulk || messages.length > SMALL_JOB_MESSAGES ? messages.map(inBulk) : messages;
}

/** The message, to travel with those of large jobs. */
export function inBulk<M extends IndexingMessage>(message: M): M {
  return { ...message, bulk: true };
}

/** What a queue takes in one call: 100 messages and 256 KB, of which a part is the platform's own. */
const SEND_MESSAGES = 100;
const SEND_BYTES = 200_000;

/** The messages in groups that can be sent in one call each, in order. */
export function sendable(messages: IndexingMessage[]): IndexingMessage[][] {
  const groups: IndexingMessage[][] = [];
  let group: IndexingMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = utf8Length(JSON.stringify(message));
    if (group.length > 0 && (group.length >= SEND_MESSAGES || bytes + size > SEND_BYTES)) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(message);
    bytes += size;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
