import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { contents, guideHtml, guidePages, renderPage } from "../../../scripts/web/guide.ts";

const docs = resolve(import.meta.dirname, "../../../docs");
const pages = guidePages(docs);
const rendered = new Map(
  pages.map((page) => [
    page.name,
    renderPage(readFileSync(join(docs, page.file), "utf8"), page, pages, new Set()),
  ]),
);

describe("the guide", () => {
  it("has a page for each document, of a name that an address can carry", () => {
    expect(pages.length).toBeGreaterThan(20);
    for (const { name, title } of pages) {
      expect(name).toMatch(/^[\w-]+$/);
      expect(title).not.toBe("");
    }
    expect(new Set(pages.map(({ name }) => name)).size).toBe(pages.length);
  });

  it("leads from each link within it to a heading that there is", () => {
    for (const [name, html] of rendered) {
      for (const [, href = ""] of html.matchAll(/<a href="([^"]+)"/g)) {
        if (/^https?:/.test(href)) continue;
        const [path = "", fragment] = href.split("#");
        const target = path === "" ? name : path.replace(/^\/docs\//, "");
        expect(rendered.has(target), `${name} → ${href}`).toBe(true);
        if (fragment !== undefined)
          expect(rendered.get(target), `${name} → ${href}`).toContain(`id="${fragment}"`);
      }
    }
  });

  it("lists every page beside each, and marks the open one", () => {
    const list = contents(pages, "search");
    for (const { name } of pages) expect(list).toContain(`href="/docs/${name}"`);
    expect(list.match(/aria-current/g)).toHaveLength(1);
  });

  it("escapes what is code, and needs neither script nor inline style", () => {
    const page = { name: "x", title: "<x>", file: "x.md", section: "Start" };
    const body = renderPage(
      "# A & `b`\n\n```sh\necho '<script>'\n```\n\n| a | |\n| :-: | - |\n| 1 | 2 |\n",
      page,
      [],
      new Set(),
    );
    expect(body).toContain('<h1 id="a--b">');
    expect(body).toContain("echo '&lt;script&gt;'");
    const html = guideHtml(page, [page], body, ["assets/a.css"]);
    expect(html).toContain("<title>&lt;x&gt; – DevFlow</title>");
    expect(html).not.toMatch(/<script|style=/);
  });
});
