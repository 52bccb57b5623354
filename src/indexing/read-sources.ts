import { mapBounded } from "../core/bounded.ts";
import type { Chunk, ChunkedBy } from "../core/chunk.ts";
import { decodeText } from "../core/decode.ts";
import { embedHash } from "../core/embedding-hash.ts";
import { findSecrets, rulesOf, SECRET_RULES, SECRETS_ALLOWED, secretMessage } from "../core/find-secrets.ts";
import { blobKey } from "../db/blob-garbage.ts";
import type { FileRow } from "../db/files.ts";
import { chunkSource } from "./chunk-source.ts";
import type { IndexingDeps } from "./deps.ts";
import { embeddedText } from "./embedded-text.ts";
import type { FileParser } from "./syntax/parsers.ts";

/** Blobs read side by side: a Worker has 6 connections. */
const READERS = 4;

export interface ChunkToIndex extends Chunk {
  embedHash: string;
  embeddedText: string;
}

/**
 * A file version cut into chunks. One that cannot be indexed has none, and says why: the index then drops
 * what it held of an older version.
 */
export interface SourceToIndex {
  path: string;
  generation: number;
  language: string;
  chunks: ChunkToIndex[];
  chunkedBy: ChunkedBy | null;
  refusal: Refusal | null;
}

export interface Refusal {
  status: "skipped" | "failed";
  reason: string;
  message: string;
}

/** Reads, decodes and cuts the files, side by side. A file that fails does so alone. */
export function readSources(
  deps: Pick<IndexingDeps, "blobs" | "embeddingMaxTokens" | "events">,
  parser: FileParser,
  rows: readonly FileRow[],
): Promise<SourceToIndex[]> {
  return mapBounded(rows, READERS, async (row) => {
    const { path, generation, language } = row;
    const base = { path, generation, language, chunks: [], chunkedBy: null };
    const read = await readText(deps.blobs, row);
    if ("refusal" in read) return { ...base, refusal: read.refusal };
    const secret = await secretIn(deps, row, read.text);
    if (secret !== null) return { ...base, refusal: secret };
    const { chunks, chunkedBy } = await chunkSource(
      read.text,
      language,
      path,
      deps.embeddingMaxTokens,
      parser,
    );
    if (chunks.length === 0) return { ...base, refusal: skipped("empty", "It holds only white space.") };
    const prepared = chunks.map((chunk) => {
      const text = embeddedText(path, chunk);
      return { ...chunk, embeddedText: text, embedHash: embedHash(text) };
    });
    return { ...base, chunks: prepared, chunkedBy, refusal: null };
  });
}

async function readText(blobs: R2Bucket, row: FileRow): Promise<{ text: string } | { refusal: Refusal }> {
  const object = row.blob === null ? null : await blobs.get(blobKey(row.workspaceId, row.blob));
  if (object === null) {
    return {
      refusal: {
        status: "failed",
        reason: "content_missing",
        message: "Its content is gone; upload it again.",
      },
    };
  }
  const decoded = decodeText(new Uint8Array(await object.arrayBuffer()));
  if (decoded.ok) return { text: decoded.text };
  return { refusal: skipped(decoded.reason, REASONS[decoded.reason]) };
}

/** What was searched when it was accepted, or let through, is not searched again; under newer rules it is. */
async function secretIn(
  { events }: Pick<IndexingDeps, "events">,
  { workspaceId, path, secretScan }: FileRow,
  text: string,
): Promise<Refusal | null> {
  if (secretScan === SECRET_RULES || secretScan === SECRETS_ALLOWED) return null;
  const findings = await findSecrets(text, path);
  if (findings.length === 0) return null;
  events.record({ type: "secret_detected", workspaceId, detail: { rules: rulesOf(findings) } });
  return skipped("secret_detected", secretMessage(findings));
}

const REASONS = {
  binary: "It is not text.",
  unsupported_encoding: "Its encoding is not one that can be decoded.",
} as const;

function skipped(reason: string, message: string): Refusal {
  return { status: "skipped", reason, message };
}
