import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { call, newWorkspace, ROOT_KEY, type TestWorkspace } from "../support/api.ts";

/** Every list of the OpenAPI document: a new one is looked at without anybody thinking of it. */
interface List {
  path: string;
  key: (workspace: TestWorkspace) => string;
}

let lists: List[];

beforeAll(async () => {
  const document = await (await call("GET", "/openapi.json")).json<{
    paths: Record<
      string,
      { get?: { "x-access": string; parameters?: { name: string; required?: boolean }[] } }
    >;
  }>();
  lists = Object.entries(document.paths).flatMap(([path, { get }]) => {
    const names = (get?.parameters ?? []).map(({ name }) => name);
    if (get === undefined || !names.includes("cursor")) return [];
    const root = get["x-access"] === "root";
    return [{ path, key: (workspace: TestWorkspace) => (root ? ROOT_KEY : workspace.key) }];
  });
});

async function jobAt(workspace: TestWorkspace, id: string, createdAt: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO jobs (id, workspace_id, kind, status, spec, expanded, created_at, updated_at)
     VALUES (?, ?, 'index', 'succeeded', '{}', 1, ?, ?)`,
  )
    .bind(id, workspace.id, createdAt, createdAt)
    .run();
}

describe("every list", () => {
  it("takes a limit from 1 to 100, written in digits", async () => {
    const workspace = await newWorkspace();
    const get = async ({ path, key }: List, limit: string) => {
      const filled = path.replace(/\{\w+\}/, "nothing");
      const query = `limit=${encodeURIComponent(limit)}${path === "/v1/feedback" ? "&chunk_id=chk_none" : ""}`;
      return (await call("GET", `${filled}?${query}`, { key: key(workspace) })).status;
    };
    expect(lists.length).toBeGreaterThan(6);
    const wrong: string[] = [];
    for (const list of lists) {
      // What names an object that is not there was read, and is 404.
      const taken = await get(list, "100");
      if (taken !== (list.path.includes("{") ? 404 : 200)) wrong.push(`${list.path} 100: ${taken}`);
      for (const limit of ["0", "101", "-1", "1e1", "0x10", "1.0", " 5", "05", "", "true", "5\0"]) {
        const status = await get(list, limit);
        if (status !== 400) wrong.push(`${list.path} ${JSON.stringify(limit)}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("GET /v1/jobs", () => {
  it("is by the time that jobs began, whatever their ids", async () => {
    const workspace = await newWorkspace();
    const ids = ["job_9", "job_1", "job_5", "job_2"].map((id) => `${id}${workspace.id.slice(3)}`);
    // The first two began in one millisecond.
    for (const [i, id] of ids.entries()) await jobAt(workspace, id, 1_000 + Math.max(1, i));
    const seen: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const from: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await call("GET", `/v1/jobs?limit=1${from}`, { key: workspace.key });
      const { items, next_cursor } = await page.json<{
        items: { id: string }[];
        next_cursor: string | null;
      }>();
      seen.push(...items.map(({ id }) => id));
      cursor = next_cursor;
    }
    expect(seen).toEqual([ids[3], ids[2], ids[0], ids[1]]);
  });
});
