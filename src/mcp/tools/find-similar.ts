import { z } from "@hono/zod-openapi";
import { SearchRequestSchema } from "../../http/schemas/search.ts";
import { type FoundPage, filters, PlacesSchema, placesAnswer } from "../place.ts";
import { defineTool } from "../tool.ts";

export const findSimilar = defineTool({
  name: "find_similar",
  title: "Find code like this",
  description:
    "Finds code that resembles the code given: duplicates, other implementations, further places to change. Give a " +
    "function or a block, not a whole file.",
  input: z.strictObject({
    code: z.string().min(1).max(20_000),
    language: z.string().max(50).optional(),
    limit: z.int().min(1).max(50).default(6),
    path: filters.path,
    languages: filters.languages,
    min_score: SearchRequestSchema.shape.min_score,
    show_code: z.boolean().default(true).meta({ description: "false: places only." }),
  }),
  output: PlacesSchema,
  async run(rest, { show_code: show, ...body }) {
    return placesAnswer(await rest.json<FoundPage>("POST", "/v1/similar", { body }), { code: show });
  },
});
