import { z } from "@hono/zod-openapi";
import { SearchRequestSchema } from "../../http/schemas/search.ts";
import { type FoundPage, filters, PlacesSchema, placesAnswer } from "../place.ts";
import { defineTool } from "../tool.ts";

export const findSymbol = defineTool({
  name: "find_symbol",
  title: "Find a definition by name",
  description:
    "Finds where a function, method, class, type or variable is defined: the whole name, its beginning, its capitals " +
    "(gUBN finds getUserByName), or Parent.name. Costs no embedding. For uses of a name, use grep.",
  input: z.strictObject({
    name: SearchRequestSchema.shape.query,
    limit: z.int().min(1).max(50).default(10),
    max_tokens: z.int().min(200).max(25_000).default(3000),
    code: z.boolean().default(true).meta({ description: "false: places only." }),
    ...filters,
    cursor: SearchRequestSchema.shape.cursor,
  }),
  output: PlacesSchema,
  async run(rest, { name, code, ...body }) {
    const request = { query: name, mode: "symbol", ...body };
    return placesAnswer(await rest.json<FoundPage>("POST", "/v1/search", { body: request }), { code });
  },
});
