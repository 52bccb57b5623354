import { z } from "@hono/zod-openapi";
import { pathQuery } from "../../http/schemas/file.ts";
import { defineTool } from "../tool.ts";

interface Answer {
  answer: string;
  citations: { n: number; path: string; start_line: number; end_line: number }[];
  dropped_citations: number;
  grounded: boolean;
  notice: string | null;
}

export const ask = defineTool({
  name: "ask",
  title: "Ask about the code",
  description:
    "Has the server's chat model answer a question about the code, with citations that were checked against the " +
    "sources. It spends chat tokens of the workspace; when you can read code yourself, search_code and read_file are " +
    "cheaper and let you see for yourself.",
  input: z.strictObject({
    question: z.string().min(1).max(2000),
    path: pathQuery.optional(),
    max_output_tokens: z.int().min(16).max(4096).optional(),
  }),
  output: z.object({
    answer: z.string(),
    citations: z.array(z.object({ n: z.int(), path: z.string(), start_line: z.int(), end_line: z.int() })),
    dropped_citations: z.int(),
    grounded: z.boolean().meta({ description: "Whether a citation was found to hold." }),
    notice: z.string().nullable().meta({ description: "What to know before relying on the answer." }),
  }),
  async run(rest, body) {
    const answered = await rest.json<Answer>("POST", "/v1/ask", { body });
    const { answer, citations, dropped_citations, grounded, notice } = answered;
    const places = citations.map(
      (cited) => `[${cited.n}] ${cited.path}:${cited.start_line}-${cited.end_line}`,
    );
    return {
      // Before the answer, so that a model reads the one in the light of the other.
      text: [...(notice === null ? [] : [notice, ""]), answer, "", ...places].join("\n").trimEnd(),
      structured: {
        answer,
        citations: citations.map(({ n, path, start_line, end_line }) => ({ n, path, start_line, end_line })),
        dropped_citations,
        grounded,
        notice,
      },
    };
  },
});
