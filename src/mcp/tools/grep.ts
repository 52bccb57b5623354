import { z } from "@hono/zod-openapi";
import { SearchRequestSchema } from "../../http/schemas/search.ts";
import { type FoundChunk, type FoundPage, filters, notesOn } from "../place.ts";
import { defineTool } from "../tool.ts";

/** Characters of one line shown: minified code would fill the answer. */
const LINE_CHARACTERS = 300;

export const grep = defineTool({
  name: "grep",
  title: "Find text or a pattern",
  description:
    "Finds the lines that match a regular expression (RE2: no look-around, no back-references) or, with literal, an " +
    "exact text. Answers path:line: text. Costs no embedding. Use it for uses of a name, error messages, settings.",
  input: z.strictObject({
    pattern: SearchRequestSchema.shape.query,
    literal: z.boolean().default(false).meta({ description: "Take the pattern as plain text." }),
    case_sensitive: z.boolean().default(true),
    multiline: z.boolean().default(false).meta({ description: "Let `.` match line ends too." }),
    limit: z.int().min(1).max(50).default(20).meta({ description: "Pieces of code with matches, at most." }),
    ...filters,
    cursor: SearchRequestSchema.shape.cursor,
  }),
  output: z.object({
    matches: z.array(z.object({ path: z.string(), line: z.int(), text: z.string() })),
    next_cursor: z.string().nullable(),
    notes: z.array(z.string()),
  }),
  async run(rest, { pattern, literal, ...options }) {
    const query = literal ? escapePattern(pattern) : pattern;
    const page = await rest.json<FoundPage>("POST", "/v1/search", {
      body: { ...options, query, mode: "regex" },
    });
    const matches = linesOnce(page.results.flatMap(matchedLines));
    const notes = notesOn(page);
    return {
      text: [...matches.map(({ path, line, text }) => `${path}:${line}: ${text}`), ...notes].join("\n"),
      structured: { matches, next_cursor: page.next_cursor, notes },
    };
  },
});

interface MatchedLine {
  path: string;
  line: number;
  text: string;
}

/** Every character that means something in a pattern, escaped. */
export function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

/** The line on which each match begins. */
export function matchedLines({ path, start_line: first, text, highlights }: FoundChunk): MatchedLine[] {
  return highlights.map(({ start }) => {
    const from = text.lastIndexOf("\n", start - 1) + 1;
    const to = text.indexOf("\n", start);
    const line = text.slice(from, to < 0 ? undefined : to).replace(/\r$/, "");
    return {
      path,
      line: first + text.slice(0, from).split("\n").length - 1,
      text: line.length > LINE_CHARACTERS ? `${line.slice(0, LINE_CHARACTERS)}…` : line,
    };
  });
}

/** Two matches of one line are one line; chunks may overlap. */
function linesOnce(lines: MatchedLine[]): MatchedLine[] {
  const seen = new Set<string>();
  return lines.filter(({ path, line }) => {
    const key = `${line}:${path}`;
    return !seen.has(key) && seen.add(key);
  });
}
