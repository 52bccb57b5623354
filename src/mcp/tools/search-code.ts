import { z } from "@hono/zod-openapi";
import { SearchRequestSchema } from "../../http/schemas/search.ts";
import { type FoundPage, filters, PlacesSchema, placesAnswer } from "../place.ts";
import { defineTool } from "../tool.ts";

export const searchCode = defineTool({
  name: "search_code",
  title: "Search code by meaning and words",
  description:
    'Finds code by what it does or what it is called: ask in plain words ("where are passwords hashed") or with ' +
    "identifiers and error texts. Answers pieces of code, best first, each with path and lines. Begin here; for every " +
    "occurrence of an exact text use grep, for the definition of a known name find_symbol.",
  input: z.strictObject({
    query: SearchRequestSchema.shape.query,
    mode: z
      .enum(["hybrid", "semantic", "lexical"])
      .default("hybrid")
      .meta({ description: "hybrid (both) is best for nearly all." }),
    limit: z.int().min(1).max(50).default(6),
    max_tokens: z
      .int()
      .min(200)
      .max(25_000)
      .default(3000)
      .meta({ description: "Tokens of code in the answer at most, by estimate." }),
    code: z
      .boolean()
      .default(true)
      .meta({ description: "false: places only, which costs far fewer tokens." }),
    ...filters,
    cursor: SearchRequestSchema.shape.cursor,
  }),
  output: PlacesSchema,
  async run(rest, { code, ...body }) {
    return placesAnswer(await rest.json<FoundPage>("POST", "/v1/search", { body }), { code });
  },
});
