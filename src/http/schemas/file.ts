import { z } from "@hono/zod-openapi";
import { CHUNK_KINDS } from "../../core/chunk.ts";
import type { FileSymbols } from "../../core/ports.ts";
import type { FileRow } from "../../db/files.ts";
import { JobSchema } from "./job.ts";

/** `?path=` as it stands in the query; the rules of paths are checked by the use case, with words of their own. */
export const pathQuery = z.string().max(16_384);

export const FileSchema = z
  .object({
    path: z.string(),
    size: z.int().meta({ description: "Bytes, as uploaded." }),
    sha256: z.string(),
    language: z.string(),
    status: z.enum(["pending", "indexed", "skipped", "failed"]),
    skip_reason: z.string().nullable(),
    error: z.string().nullable(),
    chunks: z.int(),
    updated_at: z.iso.datetime(),
    indexed_at: z.iso.datetime().nullable(),
  })
  .openapi("File");

export const FileInfoSchema = FileSchema.extend({
  symbols: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(CHUNK_KINDS),
      parent: z.string().nullable(),
      start_line: z.int(),
      end_line: z.int(),
    }),
  ),
  chunked_by: z.enum(["syntax", "lines"]).nullable(),
}).openapi("FileInfo");

export const PutAnswerSchema = z.object({ file: FileSchema, job: JobSchema.nullable() });

export const DeletedSchema = z.object({
  deleted: z.object({ files: z.int(), chunks: z.int(), vectors: z.int(), blobs: z.int() }),
});

/** The wire form of a file. */
export function fileBody(file: FileRow): z.input<typeof FileSchema> {
  return {
    path: file.path,
    size: file.size,
    sha256: file.sha256,
    language: file.language,
    status: file.status,
    skip_reason: file.skipReason,
    error: file.error,
    chunks: file.chunks,
    updated_at: rfc3339(file.updatedAt),
    indexed_at: file.indexedAt === null ? null : rfc3339(file.indexedAt),
  };
}

export function fileInfoBody(file: FileRow, { symbols, chunkedBy }: FileSymbols) {
  return {
    ...fileBody(file),
    symbols: symbols.map(({ name, kind, parent, startLine, endLine }) => ({
      name,
      kind,
      parent,
      start_line: startLine,
      end_line: endLine,
    })),
    chunked_by: chunkedBy,
  };
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
