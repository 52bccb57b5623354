import { z } from "@hono/zod-openapi";
import { SearchRequestSchema } from "../http/schemas/search.ts";

/** One result of a search, as `POST /v1/search` gives it. */
export interface FoundChunk {
  path: string;
  start_line: number;
  end_line: number;
  kind: string;
  symbol: string | null;
  parent: string | null;
  score: number;
  text: string;
  highlights: { start: number; end: number }[];
}

export interface FoundPage {
  results: FoundChunk[];
  next_cursor: string | null;
  truncated: boolean;
  index: { pending_files: number };
  degraded?: string[];
}

/** Filters that every tool which searches takes, the same as those of `POST /v1/search`. */
export const filters = SearchRequestSchema.pick({
  path: true,
  languages: true,
  extensions: true,
  kinds: true,
}).shape;

export const PlaceSchema = z.object({
  path: z.string(),
  start_line: z.int(),
  end_line: z.int(),
  kind: z.string(),
  symbol: z.string().nullable(),
  parent: z.string().nullable(),
  score: z.number(),
  text: z.string().optional(),
});

export const PlacesSchema = z.object({
  results: z.array(PlaceSchema),
  next_cursor: z.string().nullable(),
  notes: z.array(z.string()),
});

/** Places with or without their code, for programs and for models. */
export function placesAnswer(page: FoundPage, show: { code: boolean }) {
  const notes = notesOn(page);
  return {
    text: [...page.results.map((chunk) => placeText(chunk, show.code)), ...notes].join(
      show.code ? "\n\n" : "\n",
    ),
    structured: {
      results: page.results.map(
        ({ highlights: _, text, path, start_line, end_line, kind, symbol, parent, score }) => ({
          path,
          start_line,
          end_line,
          kind,
          symbol,
          parent,
          score,
          ...(show.code ? { text } : {}),
        }),
      ),
      next_cursor: page.next_cursor,
      notes,
    },
  };
}

function placeText(
  { path, start_line: start, end_line: end, kind, symbol, parent, text }: FoundChunk,
  code: boolean,
) {
  const name = symbol === null ? "" : ` ${kind} ${parent === null ? "" : `${parent}.`}${symbol}`;
  const head = `${path}:${start}-${end}${name}`;
  return code ? `${head}\n${text}` : head;
}

/** What a reader must know of the page beside its results. */
export function notesOn({ results, next_cursor: next, truncated, index, degraded }: FoundPage): string[] {
  return [
    ...(results.length === 0 ? ["Nothing was found."] : []),
    ...(truncated ? ["The answer was cut at max_tokens."] : []),
    ...(next === null ? [] : [`More: call again with the same arguments and cursor ${next}`]),
    ...(degraded === undefined ? [] : ["The vector index does not answer; these were found by words alone."]),
    ...(index.pending_files > 0 ? [`${index.pending_files} files are not indexed yet.`] : []),
  ];
}
