import { describe, expect, it } from "vitest";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";

describe("POST /v1/workspaces", () => {
  it("makes a workspace whose first key has every scope", async () => {
    const response = await call("POST", "/v1/workspaces", { key: ROOT_KEY, body: { name: "Café 東京" } });
    expect(response.status).toBe(201);
    const body = await response.json<{ name: string; key: { key: string; scopes: string[] } }>();
    expect(body.name).toBe("Café 東京");
    expect(body.key.key).toMatch(/^dvf_[0-9A-Za-z]{49}$/);
    expect(body.key.scopes).toEqual(["search", "index", "ask", "admin"]);
  });

  it("is refused to a workspace's key and without a credential", async () => {
    const { key } = await newWorkspace();
    expect((await call("POST", "/v1/workspaces", { key, body: { name: "x" } })).status).toBe(403);
    expect((await call("POST", "/v1/workspaces", { body: { name: "x" } })).status).toBe(401);
  });

  it("refuses unknown fields with a pointer to each", async () => {
    const response = await call("POST", "/v1/workspaces", { key: ROOT_KEY, body: { name: "x", colour: 1 } });
    expect(response.status).toBe(400);
    const problem = await response.json<{ code: string; errors: { pointer: string }[] }>();
    expect(problem.code).toBe("invalid_request");
    expect(problem.errors[0]?.pointer).toBe("/colour");
  });
});
