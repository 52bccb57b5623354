import type { LabelledQuery, LabelledSet, Relevant } from "./labelled-set.ts";
import type { Server } from "./server.ts";

interface Rating {
  query: string;
  rating: "up" | "down";
  /** Where the chunk stood when it was rated; null where the server does not know any more. */
  path: string | null;
  start_line: number | null;
  end_line: number | null;
}

const PAGE = 100;

/**
 * A set made from what users rated: each query that somebody rated a result of `up`, with the places of those results.
 * Ratings `down` say what does not answer, which these measures have no use for, and count as not rated.
 */
export async function feedbackSet(server: Server): Promise<LabelledSet> {
  const ratings: Rating[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: Rating[]; next_cursor: string | null } = await server.call(
      "GET",
      `/v1/feedback?limit=${PAGE}${query}`,
    );
    ratings.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return { name: "feedback", queries: queriesOf(ratings), files: null };
}

/** One query for each text, in the order of first mention. */
export function queriesOf(ratings: readonly Rating[]): LabelledQuery[] {
  const relevant = new Map<string, Map<string, Relevant>>();
  for (const { query, rating, path, start_line, end_line } of ratings) {
    if (rating !== "up" || path === null) continue;
    const places = relevant.get(query) ?? new Map<string, Relevant>();
    const place = start_line === null || end_line === null ? path : { path, start_line, end_line };
    places.set(JSON.stringify(place), place);
    relevant.set(query, places);
  }
  return [...relevant].map(([query, places]) => ({ query, relevant: [...places.values()] }));
}
