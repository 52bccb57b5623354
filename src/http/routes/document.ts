import { z } from "@hono/zod-openapi";
import { VERSION } from "../../version.ts";
import { openApiDocument } from "../openapi.ts";
import { defineRoute, type Route } from "../route.ts";

/** The OpenAPI document, which lists itself too. */
export function documentRoutes(routes: readonly Route[]): Route[] {
  const own: Route[] = [
    defineRoute({
      method: "get",
      path: "/openapi.json",
      summary: "This document",
      tag: "Health",
      access: "public",
      limit: null,
      responses: { 200: { description: "OpenAPI 3.1.", schema: z.looseObject({ openapi: z.string() }) } },
      handle: (c) => c.json(openApiDocument([...routes, ...own], VERSION, new URL(c.req.url).origin)),
    }),
  ];
  return own;
}
