import { z } from "@hono/zod-openapi";
import { DevFlowError } from "../../core/errors.ts";
import type { AppContext } from "../context.ts";
import { defineRoute } from "../route.ts";

/** Scripts and styles are the page's own files: none inline, none from elsewhere. Icons may be `data:` images. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/** Names of built files hold a hash of what is in them. */
const FOREVER = "public, max-age=31536000, immutable";

const PAGE_HEADERS = { "content-security-policy": PAGE_POLICY, "cache-control": "no-cache" };

/** Static files. They go through the Worker, so that they carry the headers and a request id too. */
export const pageRoutes = [
  page("/", "The web page", "text/html", PAGE_HEADERS),
  page("/docs", "The API's reference, for people", "text/html", PAGE_HEADERS),
  defineRoute({
    method: "get",
    path: "/docs/{page}",
    summary: "A page of the guide",
    tag: "Health",
    access: "public",
    limit: null,
    params: z.object({ page: z.string().max(200) }),
    responses: { 200: { description: "The page.", contentType: "text/html" } },
    async handle(c, { params }) {
      if (!/^[\w-]+$/.test(params.page)) throw noSuchFile();
      return asset(c, `/docs/${params.page}`, PAGE_HEADERS);
    },
  }),
  page("/robots.txt", "For crawlers", "text/plain", {}),
  defineRoute({
    method: "get",
    path: "/assets/{file}",
    summary: "Scripts, styles and fonts of the page",
    tag: "Health",
    access: "public",
    limit: null,
    params: z.object({ file: z.string().max(200) }),
    responses: { 200: { description: "The file.", contentType: "*/*" } },
    async handle(c, { params }) {
      if (!/^[\w-]+(\.[\w-]+)+$/.test(params.file)) throw noSuchFile();
      return asset(c, `/assets/${params.file}`, { "cache-control": FOREVER });
    },
  }),
];

function page(path: string, summary: string, contentType: string, headers: Record<string, string>) {
  return defineRoute({
    method: "get",
    path,
    summary,
    tag: "Health",
    access: "public",
    limit: null,
    query: z.looseObject({}),
    unknownQuery: "the page's own script reads it",
    responses: { 200: { description: "The file.", contentType } },
    handle: (c) => asset(c, path, headers),
  });
}

async function asset(c: AppContext, path: string, headers: Record<string, string>): Promise<Response> {
  const file = await c.env.ASSETS.fetch(new URL(path, c.req.url));
  if (file.status === 404) throw noSuchFile();
  // A fresh response: the headers of the one fetched cannot be changed.
  const answer = new Response(file.body, { status: file.status, headers: file.headers });
  for (const [name, value] of Object.entries(headers)) answer.headers.set(name, value);
  return answer;
}

function noSuchFile(): DevFlowError {
  return new DevFlowError("not_found", "Nothing is served at this address.");
}
