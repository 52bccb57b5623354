import { describe, expect, it } from "vitest";
import { call } from "../support/api.ts";

describe("GET /", () => {
  it("answers a page without a credential, under the same headers as the API", async () => {
    const response = await call("GET", "/");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/html/);
    expect(response.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; script-src 'self';/,
    );
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    const text = await response.text();
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|\bon\w+=|https?:\/\//);
    const script = /src="(\/assets\/[^"]+)"/.exec(text)?.[1] ?? "";
    const loaded = await call("GET", script);
    expect([loaded.status, loaded.headers.get("cache-control")]).toEqual([
      200,
      "public, max-age=31536000, immutable",
    ]);
    expect(loaded.headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("is the same for every query, which only its script reads", async () => {
    expect((await call("GET", "/?q=where&path=src%2Fauth&anything=1")).status).toBe(200);
  });

  it("serves nothing but the files of the page", async () => {
    for (const path of ["/assets/nothing.js", "/assets/..%2findex.html", "/sources.sha256"]) {
      expect((await call("GET", path)).status, path).toBe(404);
    }
  });
});

describe("GET /docs", () => {
  it.each(["/docs", "/docs/search", "/docs/decisions-0002-routes-as-data"])(
    "serves %s under the page's policy, with scripts and styles of its own alone",
    async (path) => {
      const response = await call("GET", path);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toMatch(/^text\/html/);
      expect(response.headers.get("content-security-policy")).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self';/,
      );
      const text = await response.text();
      expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\s(?:on\w+|style)=/);
      for (const [, file = ""] of text.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)) {
        expect(file).toMatch(/^\/assets\//);
        expect((await call("GET", file)).status, file).toBe(200);
      }
    },
  );

  it("answers 404 for a page that there is not", async () => {
    for (const path of ["/docs/nothing", "/docs/..%2findex", "/docs/search.html"]) {
      expect((await call("GET", path)).status, path).toBe(404);
    }
  });
});

describe("GET /robots.txt", () => {
  it("keeps crawlers away", async () => {
    const response = await call("GET", "/robots.txt");
    expect(response.status).toBe(200);
    expect(await response.text()).toContain("Disallow: /");
  });
});
