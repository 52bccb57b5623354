import { z } from "@hono/zod-openapi";
import type { Answer, AnswerEvent } from "../../answers/answer.ts";
import { LIMITS } from "../../core/limits.ts";

type Begin = Extract<AnswerEvent, { kind: "sources" }>;

const path = z.string().max(16_384);
const line = z
  .int()
  .min(1)
  .max(2 ** 31);
const said = (characters: number) =>
  z
    .string()
    .min(1)
    .max(characters)
    .refine((value) => value.trim() !== "", "Nothing but white space.");

const BOUNDS = {
  limit: z
    .int()
    .min(1)
    .max(LIMITS.answerSources)
    .default(12)
    .meta({ description: "Sources that the model is shown at most." }),
  max_output_tokens: z
    .int()
    .min(16)
    .max(LIMITS.answerTokens)
    .optional()
    .meta({ description: "Tokens of the answer. Default: 1,024, or a quarter of what the model takes." }),
  stream: z
    .boolean()
    .default(false)
    .meta({ description: "Server-sent events: `sources`, `delta`…, `done`." }),
};

export const AskRequestSchema = z
  .strictObject({
    question: said(LIMITS.turnCharacters),
    messages: z
      .array(z.strictObject({ role: z.enum(["user", "assistant"]), content: said(LIMITS.turnCharacters) }))
      .max(LIMITS.conversationTurns)
      .default([])
      .meta({ description: "Earlier turns, oldest first. The oldest are left out where there is no room." }),
    path: path.optional().meta({ description: "A file, or a folder with all below it." }),
    context_files: z
      .array(path)
      .max(LIMITS.contextFiles)
      .default([])
      .meta({ description: "Files that the question is about: shown first." }),
    ...BOUNDS,
  })
  .openapi("AskRequest");

export const ExplainRequestSchema = z
  .strictObject({
    path: path.optional().meta({ description: "A stored file; or give `code`." }),
    start_line: line.optional(),
    end_line: line.optional(),
    code: said(LIMITS.explainedCharacters).optional(),
    language: z
      .string()
      .regex(/^[A-Za-z0-9+#._ -]{1,50}$/, "A language's name.")
      .optional(),
    ...BOUNDS,
  })
  .refine(({ path, code }) => (path === undefined) !== (code === undefined), {
    path: ["path"],
    message: "Give either path, with or without lines, or code.",
  })
  .refine(
    ({ code, start_line, end_line }) =>
      code === undefined || (start_line === undefined && end_line === undefined),
    { path: ["start_line"], message: "Lines go with path." },
  )
  .refine(({ start_line, end_line }) => (start_line ?? 1) <= (end_line ?? Infinity), {
    path: ["end_line"],
    message: "Is before start_line.",
  })
  .openapi("ExplainRequest");

const place = {
  n: z.int().min(1),
  path: z.string().nullable().meta({ description: "Null for code that came with the request." }),
  start_line: z.int(),
  end_line: z.int(),
};

export const AnswerSchema = z
  .object({
    answer: z.string().meta({
      description:
        "Markdown. Citations that hold stand in it as `[n:start-end]`. Written by a model from what is indexed: show " +
        "it as text, and run nothing of it.",
    }),
    citations: z.array(z.object(place)),
    dropped_citations: z
      .int()
      .meta({ description: "Citations of lines that the model was not shown; they are taken out." }),
    grounded: z.boolean().meta({ description: "Whether at least one citation holds." }),
    notice: z
      .string()
      .nullable()
      .meta({ description: "What to know of the answer as a whole: not grounded, cut off." }),
    truncated: z.boolean().meta({ description: "Cut off at `max_output_tokens`, or withheld in part." }),
    sources: z.array(z.object({ ...place, chunk_id: z.string().nullable() })),
    usage: z.object({ input_tokens: z.int(), output_tokens: z.int() }),
    model: z.string(),
    missing_context_files: z
      .array(z.string())
      .optional()
      .meta({ description: "Those of `context_files` that the index does not hold." }),
    degraded: z.array(z.enum(["vector"])).optional(),
  })
  .openapi("Answer");

/** The wire form of what an answer begins with. */
export function sourcesBody({ sources, missingFiles, degraded, model }: Begin) {
  return {
    model,
    sources: sources.map(({ n, chunkId, path, startLine, endLine }) => ({
      n,
      chunk_id: chunkId,
      path,
      start_line: startLine,
      end_line: endLine,
    })),
    ...(missingFiles.length > 0 ? { missing_context_files: missingFiles } : {}),
    ...(degraded ? { degraded: ["vector"] } : {}),
  };
}

/** The wire form of the whole. */
export function answerBody(begin: Begin, answer: Answer) {
  return {
    answer: answer.text,
    citations: answer.citations.map(({ n, path, startLine, endLine }) => ({
      n,
      path,
      start_line: startLine,
      end_line: endLine,
    })),
    dropped_citations: answer.droppedCitations,
    grounded: answer.grounded,
    notice: answer.notice,
    truncated: answer.truncated,
    usage: { input_tokens: answer.usage.inputTokens, output_tokens: answer.usage.outputTokens },
    ...sourcesBody(begin),
  };
}
