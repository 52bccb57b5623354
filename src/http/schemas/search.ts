import { z } from "@hono/zod-openapi";
import { CHUNK_KINDS } from "../../core/chunk.ts";
import { languageNamed } from "../../core/languages.ts";
import { LIMITS } from "../../core/limits.ts";

/** Names of languages as `GET /v1/stats` lists them, or extensions of theirs; case does not matter. */
const language = z
  .string()
  .regex(/^[A-Za-z0-9+#._-]{1,50}$/, "A language's name, such as typescript.")
  .toLowerCase()
  .transform(languageNamed);
/** With or without its dot; empty selects files without an extension. */
const extension = z
  .string()
  .max(100)
  .regex(/^\.?[^./\\\p{Cc}\p{Cs}]*$/u, "An extension, such as ts.")
  .transform((text) => text.replace(/^\./, "").toLowerCase());

/** Text that holds something to look for. */
const text = z
  .string()
  .min(1)
  .max(LIMITS.queryCharacters)
  .refine((value) => value.trim() !== "", "Nothing but white space.");

export const SearchRequestSchema = z
  .strictObject({
    query: text,
    limit: z.int().min(1).max(LIMITS.searchResults).default(10),
    mode: z.enum(["hybrid", "semantic", "lexical", "regex", "symbol"]).default("hybrid"),
    path: z.string().max(16_384).optional().meta({ description: "A file, or a folder with all below it." }),
    languages: z.array(language).max(50).default([]),
    extensions: z.array(extension).max(50).default([]),
    kinds: z.array(z.enum(CHUNK_KINDS)).max(50).default([]),
    min_score: z.number().min(0).max(1).default(0),
    max_tokens: z
      .int()
      .min(1)
      .max(10_000_000)
      .optional()
      .meta({ description: "Estimated tokens of all texts together at most." }),
    case_sensitive: z.boolean().optional().meta({ description: "For mode regex; true where left out." }),
    multiline: z.boolean().optional().meta({
      description:
        "For mode regex: a match may span lines. Otherwise each line is matched by itself. `^` and `$` are a line's in both.",
    }),
    cursor: z.string().min(1).max(4096).optional(),
  })
  .openapi("SearchRequest");

export const SimilarRequestSchema = z
  .strictObject({
    code: z
      .string()
      .min(1)
      .max(LIMITS.similarCharacters)
      .refine((value) => value.trim() !== "", "Nothing but white space.")
      .meta({ description: "Code to find the like of.", example: "for attempt in range(3):\n    try: ..." }),
    language: language
      .optional()
      .meta({ description: "Of the code, for the record; results may be of any." }),
    limit: z.int().min(1).max(LIMITS.searchResults).default(10),
    path: z.string().max(16_384).optional().meta({ description: "A file, or a folder with all below it." }),
    languages: z.array(language).max(50).default([]),
    min_score: z.number().min(0).max(1).default(0),
    cursor: z.string().min(1).max(4096).optional(),
  })
  .openapi("SimilarRequest");

export const SearchResultSchema = z
  .object({
    chunk_id: z.string(),
    path: z.string(),
    start_line: z.int(),
    end_line: z.int(),
    language: z.string(),
    kind: z.enum(CHUNK_KINDS),
    symbol: z.string().nullable(),
    parent: z.string().nullable(),
    score: z
      .number()
      .min(0)
      .max(1)
      .meta({ description: "Higher is better; means the same from one query to the next within a mode." }),
    ranks: z
      .object({ vector: z.int().min(1).nullable(), lexical: z.int().min(1).nullable() })
      .meta({ description: "Place in each leg, from 1; null where the leg does not hold it." }),
    text: z.string(),
    highlights: z
      .array(z.object({ start: z.int().min(0), end: z.int().min(1) }))
      .meta({ description: "Half-open, in UTF-16 units of `text`." }),
  })
  .openapi("SearchResult");

export const SearchAnswerSchema = z
  .object({
    query: z.string(),
    mode: z.enum(["hybrid", "semantic", "lexical", "regex", "symbol"]),
    results: z.array(SearchResultSchema),
    next_cursor: z.string().nullable(),
    truncated: z.boolean().meta({
      description:
        "Whether `max_tokens` left a result out, or mode regex stopped before it had scanned all: the cursor goes on.",
    }),
    index: z.object({
      files: z.int(),
      pending_files: z.int(),
      updated_at: z.iso.datetime().nullable(),
    }),
    degraded: z
      .array(z.enum(["vector"]))
      .optional()
      .meta({ description: "What could not be asked: the answer comes from the rest." }),
    reranked: z.boolean().optional().meta({
      description:
        "Where the deployment reranks: whether the chat model put this page in order, or could not be asked in time.",
    }),
    took_ms: z.int(),
  })
  .openapi("SearchAnswer");
