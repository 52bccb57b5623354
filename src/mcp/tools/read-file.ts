import { z } from "@hono/zod-openapi";
import { estimateTokens } from "../../core/tokens.ts";
import { pathQuery } from "../../http/schemas/file.ts";
import { defineTool } from "../tool.ts";

export const readFile = defineTool({
  name: "read_file",
  title: "Read a file or some of its lines",
  description:
    "Reads a stored file, or the lines named, up to max_tokens; where more is left, next_start_line says where to go " +
    "on. Lines are counted from 1, as in the places that the other tools print.",
  input: z.strictObject({
    path: pathQuery,
    start_line: z.int().min(1).max(1_000_000_000).default(1),
    end_line: z.int().min(1).max(1_000_000_000).optional(),
    max_tokens: z.int().min(200).max(50_000).default(6000),
  }),
  output: z.object({
    path: z.string(),
    start_line: z.int(),
    end_line: z.int(),
    total_lines: z.int(),
    next_start_line: z.int().nullable(),
    text: z.string(),
  }),
  async run(rest, { path, start_line: start, end_line: end, max_tokens: maxTokens }) {
    const query = { path, start_line: start === 1 ? undefined : start };
    const remainder = await rest.text("GET", "/v1/files/content", { query });
    const lines = splitLines(remainder);
    const wanted = lines.slice(0, end === undefined ? undefined : Math.max(0, end - start + 1));
    const { shown, cut } = withinTokens(wanted, maxTokens);
    const last = start + shown.length - 1;
    const total = start + lines.length - 1;
    const next = shown.length < wanted.length ? last + 1 : null;
    const text = shown.join("");
    const notes = [
      ...(cut ? [`Line ${last} is longer than max_tokens and was cut.`] : []),
      ...(next === null ? [] : [`More: start_line ${next}.`]),
    ];
    return {
      text: [`${path}:${start}-${last} of ${total} lines`, text.replace(/\n$/, ""), ...notes].join("\n"),
      structured: {
        path,
        start_line: start,
        end_line: last,
        total_lines: total,
        next_start_line: next,
        text,
      },
    };
  },
});

/** Lines with their ends. */
function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** As many whole lines as the tokens allow; a first line that is too long by itself is cut. */
export function withinTokens(lines: readonly string[], maxTokens: number): { shown: string[]; cut: boolean } {
  let tokens = 0;
  for (const [i, line] of lines.entries()) {
    tokens += estimateTokens(line);
    if (tokens <= maxTokens) continue;
    if (i > 0) return { shown: lines.slice(0, i), cut: false };
    // A token is one character at least by the estimate, white space aside.
    return { shown: [line.slice(0, maxTokens).toWellFormed()], cut: true };
  }
  return { shown: [...lines], cut: false };
}
