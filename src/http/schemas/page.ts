import { z } from "@hono/zod-openapi";
import { LIMITS } from "../../core/limits.ts";

/** Query fields of every list: `?limit=` 1..100, default 20, and `&cursor=`. */
export const PAGE_QUERY = {
  limit: z.coerce.number().int().min(1).max(LIMITS.listItems).default(20),
  cursor: z.string().min(1).max(4096).optional(),
};

/** The answer of every list. */
export function pageSchema<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() });
}
