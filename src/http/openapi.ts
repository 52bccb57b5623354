import { OpenAPIHono, z } from "@hono/zod-openapi";
import { ERROR_CODES } from "../core/errors.ts";
import type { Route } from "./route.ts";

/** RFC 9457, with the members that DevFlow adds. */
export const ProblemSchema = z
  .object({
    type: z.string().meta({ example: "urn:devflow:error:not_found" }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(ERROR_CODES),
    request_id: z.string(),
    retryable: z.boolean(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
  })
  .openapi("Problem");

/** The OpenAPI 3.1 document, made from the declarations that also validate. */
export function openApiDocument(routes: readonly Route[], version: string, serverUrl: string) {
  const generator = new OpenAPIHono();
  const registry = generator.openAPIRegistry;
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key (`dvf_…`), a token made from one, or the root key for administration.",
  });
  registry.registerComponent("responses", "Problem", {
    description: "A problem document (RFC 9457).",
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
  });
  registry.register("Problem", ProblemSchema);
  for (const route of routes) route.document(registry);
  return generator.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "DevFlow",
      version,
      description: "Search and questions over a team's code.",
      license: { name: "Apache-2.0" },
    },
    servers: [{ url: serverUrl }],
  });
}
