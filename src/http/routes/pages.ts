import { defineRoute } from "../route.ts";

/** Static files. They go through the Worker, so that they carry the headers and a request id too. */
export const pageRoutes = [
  page("/", "The front page", "text/html"),
  page("/robots.txt", "For crawlers", "text/plain"),
];

function page(path: string, summary: string, contentType: string) {
  return defineRoute({
    method: "get",
    path,
    summary,
    tag: "Health",
    access: "public",
    limit: null,
    responses: { 200: { description: "The file.", contentType } },
    async handle(c) {
      const file = await c.env.ASSETS.fetch(new URL(path, c.req.url));
      // A fresh response: the headers of the one fetched cannot be changed.
      return new Response(file.body, { status: file.status, headers: file.headers });
    },
  });
}
