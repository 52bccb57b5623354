import { z } from "@hono/zod-openapi";
import type { Cursors, Position } from "../core/cursor.ts";
import { LIMITS } from "../core/limits.ts";

/** Query fields of every list. Digits only: other spellings of numbers are refused. */
export const listQuery = {
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, "A whole number from 1 to 100.")
    .transform(Number)
    .pipe(z.int().min(1).max(LIMITS.listItems))
    .default(20)
    .openapi({ type: "integer", minimum: 1, maximum: LIMITS.listItems, default: 20 }),
  cursor: z.string().min(1).max(4096).optional(),
};

/** One page of a list: `{items, next_cursor}`. */
export function listOf<S extends z.ZodType>(item: S) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() });
}

export interface ListRequest {
  limit: number;
  cursor?: string | undefined;
}

/**
 * Reads one page and signs where the next begins. `scope` names workspace, route and every field of the query that
 * selects or sorts; `read` is asked for one row more than are shown, and `positionOf` gives a row's sort keys.
 * Errors: `invalid_cursor`.
 */
export async function readPage<Row, Item>(
  cursors: Cursors,
  scope: string[],
  { limit, cursor }: ListRequest,
  list: {
    read(after: Position | null, count: number): PromiseLike<Row[]>;
    positionOf(row: Row): Position;
    view(row: Row): Item;
  },
): Promise<{ items: Item[]; next_cursor: string | null }> {
  const after = cursor === undefined ? null : await cursors.open(scope, cursor);
  const rows = await list.read(after, limit + 1);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    items: shown.map(list.view),
    next_cursor: more ? await cursors.sign(scope, list.positionOf(last)) : null,
  };
}
