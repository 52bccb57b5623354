import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { deleteWorkspace } from "../../src/auth/delete-workspace.ts";
import type { Actor } from "../../src/auth/key-row.ts";
import { collectionName, openModelCollection } from "../../src/indexing/collection.ts";
import { eraseWorkspace } from "../../src/indexing/erase-workspace.ts";
import { resumeStalledJobs } from "../../src/indexing/repair.ts";
import type { Services } from "../../src/services.ts";
import { call, newWorkspace, ROOT_KEY, type TestWorkspace } from "../support/api.ts";
import { eventually, services } from "../support/indexing.ts";
import { finishedJob, type TestJob } from "../support/jobs.ts";
import { newKey, problemOf } from "../support/keys.ts";

const deps = services();
const { DB, BLOBS } = env as unknown as Env;
const FILES = { "a.ts": "export const a = 1;", "b/c.py": "c = 2", "d.md": "# D", "blob.bin": "\u0000\u0001" };
const ACTOR: Actor = {
  principal: { kind: "root", keyId: "root", bucketId: "root", scopes: [], limits: {}, expiresAtMs: null },
  ip: null,
  route: null,
  requestId: null,
};

/** A workspace with files, vectors, spent tokens, a spooled archive, a deleted file and a second key. */
async function filled(): Promise<TestWorkspace> {
  const workspace = await newWorkspace();
  await call("PATCH", `/v1/workspaces/${workspace.id}`, {
    key: ROOT_KEY,
    body: { monthly_token_budget: 100_000 },
  });
  const form = new FormData();
  for (const [path, content] of Object.entries(FILES)) form.append("files", new Blob([content]), path);
  const response = await call("POST", "/v1/files", {
    key: workspace.key,
    raw: form,
    headers: { "idempotency-key": "once" },
  });
  await finishedJob(workspace.key, (await response.json<{ job: TestJob }>()).job.id);
  await call("POST", "/v1/files/delete", { key: workspace.key, body: { path: "d.md" } });
  await newKey(workspace.key, { scopes: ["search"] });
  await BLOBS.put(`ws/${workspace.id}/spool/left`, "an archive");
  return workspace;
}

/** Rows by table, for tables that hold any of the workspace. Read from the database, not from the schema. */
async function rowsOf(id: string): Promise<Record<string, number>> {
  const { results } = await DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND instr(sql, '`workspace_id`') > 0",
  ).all<{ name: string }>();
  expect(results.length).toBeGreaterThan(6);
  const counts: Record<string, number> = {};
  const count = async (name: string, sql: string) => {
    const row = await DB.prepare(sql).bind(id).first<{ n: number }>();
    if (row && row.n > 0) counts[name] = row.n;
  };
  for (const { name } of results)
    await count(name, `SELECT count(*) AS n FROM ${name} WHERE workspace_id = ?`);
  await count("workspaces", "SELECT count(*) AS n FROM workspaces WHERE id = ?");
  await count(
    "job_files",
    "SELECT count(*) AS n FROM job_files WHERE job_id IN (SELECT id FROM jobs WHERE workspace_id = ?)",
  );
  return counts;
}

/** What all stores hold of the workspace. */
async function heldOf({ id }: TestWorkspace) {
  const collection = await deps.vectors.findCollection(await collectionName(id, deps.embedder));
  const { objects } = await BLOBS.list({ prefix: `ws/${id}/` });
  const { files, chunks } = await deps.workspaceIndex(id).stats();
  const { spent, reserved } = await deps.budgetOf(id).state();
  return {
    rows: await rowsOf(id),
    objects: objects.length,
    vectors: collection === null ? null : await deps.vectors.count(collection),
    files,
    chunks,
    tokens: spent + reserved,
  };
}

/** Services that send messages of this workspace alone: jobs of other tests are not to be taken up. */
function messagesOf({ id }: TestWorkspace): Services {
  const { queue, ...others } = services();
  return {
    ...others,
    queue: {
      send: (messages, delaySeconds) =>
        queue.send(
          messages.filter(({ workspaceId }) => workspaceId === id),
          delaySeconds,
        ),
    },
  };
}

const NOTHING = { objects: 0, vectors: null, files: 0, chunks: 0, tokens: 0 };

const remove = ({ id }: TestWorkspace) => call("DELETE", `/v1/workspaces/${id}`, { key: ROOT_KEY });

const erased = (jobId: string) =>
  eventually(
    async () => (await call("GET", `/v1/jobs/${jobId}`, { key: ROOT_KEY })).json<TestJob>(),
    ({ status }) => status === "succeeded",
  );

describe("DELETE /v1/workspaces/{id}", () => {
  it("refuses its keys and tokens at once, erases every store, and leaves a receipt to the root key", async () => {
    const workspace = await filled();
    const other = await filled();
    const before = await heldOf(workspace);
    expect(before).toMatchObject({ objects: 3, vectors: 2, chunks: 2 });
    expect(before.tokens).toBeGreaterThan(0);
    for (const table of [
      "files",
      "jobs",
      "api_keys",
      "tombstones",
      "idempotency",
      "job_files",
      "workspaces",
    ]) {
      expect([table, before.rows[table] ?? 0]).not.toEqual([table, 0]);
    }
    const untouched = await heldOf(other);
    const minted = await call("POST", "/v1/auth/token", { key: workspace.key });
    const { access_token: token } = await minted.json<{ access_token: string }>();

    const response = await remove(workspace);
    expect(response.status).toBe(202);
    const { job } = await response.json<{ job: TestJob }>();
    expect(job.kind).toBe("delete_workspace");
    expect(response.headers.get("location")).toBe(`/v1/jobs/${job.id}`);
    for (const key of [workspace.key, token])
      expect((await call("GET", "/v1/files", { key })).status).toBe(401);
    expect((await call("GET", `/v1/workspaces/${workspace.id}`, { key: ROOT_KEY })).status).toBe(404);

    const done = await erased(job.id);
    expect(done).toMatchObject({
      status: "succeeded",
      receipt: { blobs: 3, vectors: 2, chunks: 2, backups_expire_at: expect.stringMatching(/Z$/) },
    });
    const { rows, ...rest } = await heldOf(workspace);
    expect(rest).toEqual(NOTHING);
    // The memory of the deletion, and evidence, which has its own retention.
    expect(Object.keys(rows).sort()).toEqual(["jobs", "security_events"]);
    expect(rows["jobs"]).toBe(1);
    const { jobs = 0, security_events: _, ...others } = before.rows;
    const expected = Object.values(others).reduce((sum, n) => sum + n, jobs);
    expect((done.receipt as Record<string, unknown>)["rows"]).toBe(expected);

    // Its requests may be counted meanwhile, in one row more.
    expect(await heldOf(other)).toMatchObject(untouched);
    expect((await call("GET", "/v1/files", { key: other.key })).status).toBe(200);
    expect((await call("GET", "/v1/files", { key: workspace.key })).status).toBe(401);

    const again = await remove(workspace);
    expect([again.status, await again.json()]).toMatchObject([
      202,
      { job: { id: job.id, receipt: done.receipt } },
    ]);
  });

  it("goes on by the cron, whatever it was interrupted at", { timeout: 90_000 }, async () => {
    // Every third call of it, from another one each time.
    for (let failAt = 1 + Math.floor(Math.random() * 3), interrupted = true; interrupted; failAt += 3) {
      const workspace = await filled();
      const lost = { ...services(), queue: { send: async () => {} } };
      const jobId = await deleteWorkspace(lost, ACTOR, workspace.id);
      const message = { kind: "delete_workspace", workspaceId: workspace.id, jobId } as const;
      const calls = { left: failAt };
      interrupted = await eraseWorkspace(failing(services(), calls), message).then(
        () => false,
        (error: Error) => {
          expect(error.message).toBe("the machine went away");
          return true;
        },
      );
      if (!interrupted) expect(failAt).toBeGreaterThan(10);
      if (failAt % 4 !== 1 && interrupted) {
        // By the same message, delivered again.
        await eraseWorkspace(services(), message);
      } else if (interrupted) {
        await resumeStalledJobs({ ...messagesOf(workspace), now: () => Date.now() + 11 * 60_000 });
      }
      expect([failAt, (await erased(jobId)).receipt]).toEqual([
        failAt,
        expect.objectContaining({ blobs: 3, vectors: 2, chunks: 2 }),
      ]);
      const { rows, ...rest } = await heldOf(workspace);
      expect([failAt, rest]).toEqual([failAt, NOTHING]);
      expect(Object.keys(rows).sort()).toEqual(["jobs", "security_events"]);
    }
  });

  it("leaves nothing behind of writers that were under way", async () => {
    const workspace = await filled();
    const { job } = await (await remove(workspace)).json<{ job: TestJob }>();
    await erased(job.id);
    await expect(openModelCollection(deps, workspace.id)).rejects.toMatchObject({ code: "not_found" });
    await deps.queue.send([
      { kind: "index", workspaceId: workspace.id, jobId: "job_x", files: [{ path: "a.ts", generation: 1 }] },
      { kind: "expand", workspaceId: workspace.id, jobId: "job_x", afterPath: "" },
      { kind: "delete_workspace", workspaceId: workspace.id, jobId: job.id },
    ]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { rows, ...rest } = await heldOf(workspace);
    expect(rest).toEqual(NOTHING);
    expect(rows["jobs"]).toBe(1);
  });

  it("is for the root key, which sees no other job", async () => {
    const workspace = await filled();
    const { id, key } = workspace;
    expect((await call("DELETE", `/v1/workspaces/${id}`, { key })).status).toBe(403);
    expect((await call("DELETE", `/v1/workspaces/${id}`)).status).toBe(401);
    expect(await problemOf(await remove({ id: "ws_none", key }))).toEqual([404, "not_found"]);
    const listed = await call("GET", "/v1/jobs", { key });
    const [job] = (await listed.json<{ items: TestJob[] }>()).items;
    expect(await problemOf(await call("GET", `/v1/jobs/${job?.id}`, { key: ROOT_KEY }))).toEqual([
      404,
      "not_found",
    ]);
    const { job: deletion } = await (await remove(workspace)).json<{ job: TestJob }>();
    const stranger = await newWorkspace();
    expect((await call("GET", `/v1/jobs/${deletion.id}`, { key: stranger.key })).status).toBe(404);
  });
});

/** The services, where the n-th call to a store other than D1, and every one after it, fails. */
function failing(real: Services, calls: { left: number }): Services {
  const guarded = <T extends object>(store: T): T =>
    new Proxy(store, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (--calls.left <= 0) throw new Error("the machine went away");
          // Methods of a stub are called on it, and on nothing else.
          return (target as Record<string | symbol, (...args: unknown[]) => unknown>)[name]?.(...args);
        };
      },
    });
  // A getter's value is made when it is asked for.
  return {
    ...real,
    vectors: guarded(real.vectors),
    blobs: guarded(real.blobs),
    workspaceIndex: (id) => guarded(real.workspaceIndex(id)),
    budgetOf: (id) => guarded(real.budgetOf(id)),
    limiters: (subject) => guarded(real.limiters(subject)),
    now: () => {
      // Called between the pages of rows.
      if (--calls.left <= 0) throw new Error("the machine went away");
      return real.now();
    },
  };
}
