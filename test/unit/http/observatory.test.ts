import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { guideHtml, renderPage } from "../../../scripts/web/guide.ts";
import type { AppEnv } from "../../../src/http/context.ts";
import { cors } from "../../../src/http/middleware/cors.ts";
import { requireHttps } from "../../../src/http/middleware/public-address.ts";
import { securityHeaders } from "../../../src/http/middleware/security-headers.ts";
import { observe } from "../../support/observatory.ts";

/** The pages as they are served; their scripts, styles and metas are scored too. */
const web = (name: string) => readFileSync(resolve(import.meta.dirname, "../../../web", name), "utf8");
const guide = { name: "search", title: "Search", file: "search.md", section: "Start" };
const PAGES: Record<string, string> = {
  "/": web("index.html"),
  "/docs": web("docs.html"),
  "/docs/search": guideHtml(guide, [guide], renderPage("# Search", guide, [guide], new Set()), ["a.css"]),
};

/** The middleware that sets headers, as the application has it; `test/integration/gateway.test.ts` shows it does. */
function application(headers = true) {
  const app = new Hono<AppEnv>();
  if (headers) app.use(securityHeaders());
  app.use(cors(["https://app.example.com"]));
  app.use(async (c, next) => {
    c.set("config", { ENVIRONMENT: "production" } as AppEnv["Variables"]["config"]);
    await next();
  });
  app.use(requireHttps());
  app.get("/health", (c) => c.json({ status: "ok" }));
  for (const [path, html] of Object.entries(PAGES)) app.get(path, (c) => c.html(html));
  return app;
}

async function score(app: Hono<AppEnv>, path: string) {
  const url = `https://api.example.com${path}`;
  const init = { headers: { origin: "https://http-observatory.security.mozilla.org" } };
  const [answer, plain] = [await app.request(url, init), await app.request(`http://api.example.com${path}`)];
  return observe({
    url,
    status: answer.status,
    headers: answer.headers,
    body: await answer.text(),
    redirect: { status: plain.status, location: plain.headers.get("location") },
  });
}

describe("Mozilla's Observatory", () => {
  it.each(["/health", "/nowhere"])("gives the API an A+ on %s", async (path) => {
    const { grade, results } = await score(application(), path);
    expect(Object.entries(results).filter(([, { pass }]) => !pass)).toEqual([]);
    expect(grade).toBe("A+");
  });

  it.each(Object.keys(PAGES))("gives the page %s an A+", async (path) => {
    const { grade, results } = await score(application(), path);
    expect(Object.entries(results).filter(([, { pass }]) => !pass)).toEqual([]);
    expect(grade).toBe("A+");
  });

  it("would give less without the headers", async () => {
    const { grade } = await score(application(false), "/health");
    expect(["D", "D-", "F"]).toContain(grade);
  });
});
