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

interface WorkspaceBody {
  id: string;
  name: string;
  max_files: number | null;
}

describe("GET /v1/workspaces", () => {
  it("lists newest first, page by page, to the root key alone", async () => {
    const made = [await newWorkspace("one"), await newWorkspace("two"), await newWorkspace("three")];
    const seen: string[] = [];
    let cursor = "";
    do {
      const response = await call("GET", `/v1/workspaces?limit=2${cursor}`, { key: ROOT_KEY });
      const page = await response.json<{ items: WorkspaceBody[]; next_cursor: string | null }>();
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
    } while (cursor !== "");
    expect(new Set(seen).size).toBe(seen.length);
    const places = made.map(({ id }) => seen.indexOf(id));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect((await call("GET", "/v1/workspaces", { key: made[0]?.key ?? "" })).status).toBe(403);
  });
});

describe("GET and PATCH /v1/workspaces/{id}", () => {
  it("show and change what is given, and leave the rest", async () => {
    const { id } = await newWorkspace("before");
    const path = `/v1/workspaces/${id}`;
    const patched = await call("PATCH", path, { key: ROOT_KEY, body: { name: "after", max_files: 5 } });
    expect(await patched.json()).toMatchObject({ id, name: "after", max_files: 5, max_bytes: null });
    await call("PATCH", path, { key: ROOT_KEY, body: { max_files: null } });
    const body = await (await call("GET", path, { key: ROOT_KEY })).json<WorkspaceBody>();
    expect(body).toMatchObject({ name: "after", max_files: null });
    expect(body).not.toHaveProperty("key");
  });

  it("refuse an empty change, and know no other workspace", async () => {
    const { id } = await newWorkspace();
    expect((await call("PATCH", `/v1/workspaces/${id}`, { key: ROOT_KEY, body: {} })).status).toBe(400);
    for (const unknown of ["ws_0", "nothing", "%00", "ws_0' OR 1=1 --"]) {
      const path = `/v1/workspaces/${encodeURIComponent(unknown)}`;
      expect((await call("GET", path, { key: ROOT_KEY })).status).toBe(404);
      expect((await call("POST", `${path}/keys`, { key: ROOT_KEY })).status).toBe(404);
    }
  });
});

describe("POST /v1/workspaces/{id}/keys", () => {
  it("makes an admin key for the workspace that is named", async () => {
    const { id } = await newWorkspace();
    const response = await call("POST", `/v1/workspaces/${id}/keys`, {
      key: ROOT_KEY,
      body: { name: "lost" },
    });
    expect(response.status).toBe(201);
    const made = await response.json<{ key: string; name: string }>();
    expect(made).toMatchObject({
      name: "lost",
      scopes: ["search", "index", "ask", "admin"],
      expires_at: null,
    });
    const me = await (await call("GET", "/v1/auth/whoami", { key: made.key })).json();
    expect(me).toMatchObject({ workspace: { id }, kind: "api_key" });
  });
});
