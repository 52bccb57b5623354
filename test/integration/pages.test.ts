import { describe, expect, it } from "vitest";
import { call } from "../support/api.ts";

describe("GET /", () => {
  it("answers a page without a credential, under the same headers as the API", async () => {
    const response = await call("GET", "/");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/html/);
    expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    expect(await response.text()).toContain("/openapi.json");
  });
});

describe("GET /robots.txt", () => {
  it("keeps crawlers away", async () => {
    const response = await call("GET", "/robots.txt");
    expect(response.status).toBe(200);
    expect(await response.text()).toContain("Disallow: /");
  });
});
