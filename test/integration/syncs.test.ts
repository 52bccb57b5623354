import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/core/hash.ts";
import { runSync } from "../../src/files/run-sync.ts";
import { runScheduled } from "../../src/scheduled.ts";
import { call, newWorkspace } from "../support/api.ts";
import { appWith, freshAddress } from "../support/app.ts";
import { eventually, services } from "../support/indexing.ts";
import { finishedJob, jobFilesOf, storedPaths, type TestJob } from "../support/jobs.ts";
import { newKey, problemOf } from "../support/keys.ts";

type Tree = Record<string, string>;
interface Plan {
  id: string;
  upload: string[];
  upload_count: number;
  unchanged: number;
  renamed: { from: string; to: string }[];
  copied: { from: string; to: string }[];
  missing: string[];
  skipped: { path: string; reason: string }[];
  estimate: { files: number; bytes: number; chunks: number; tokens: number; cost_microusd: number };
  expires_at: string;
}

const entriesOf = (tree: Tree) =>
  Promise.all(
    Object.entries(tree).map(async ([path, text]) => {
      const bytes = new TextEncoder().encode(text);
      return { path, sha256: await sha256Hex(bytes), size: bytes.length };
    }),
  );

async function plan(key: string, tree: Tree, options: Record<string, unknown> = {}): Promise<Plan> {
  const body = { files: await entriesOf(tree), ...options };
  const response = await call("POST", "/v1/syncs", { key, body });
  expect(response.status, await response.clone().text()).toBe(201);
  const answer = await response.json<Plan>();
  expect(answer.upload_count).toBe(answer.upload.length);
  return answer;
}

function multipart(tree: Tree): { raw: string; headers: Record<string, string> } {
  const parts = Object.entries(tree).map(
    ([path, text]) =>
      `--b\r\nContent-Disposition: form-data; name="files"; filename="${path}"\r\n\r\n${text}\r\n`,
  );
  return {
    raw: `${parts.join("")}--b--\r\n`,
    headers: { "content-type": "multipart/form-data; boundary=b" },
  };
}

async function upload(key: string, syncId: string, tree: Tree): Promise<Response> {
  const { raw, headers } = multipart(tree);
  return call("POST", "/v1/files", { key, raw, headers: { ...headers, "sync-id": syncId } });
}

const commit = (key: string, id: string, body: Record<string, unknown> = {}) =>
  call("POST", `/v1/syncs/${id}/commit`, { key, body });

/** Plans, uploads and commits; the job at its end, or null where there was nothing to do. */
async function sync(key: string, tree: Tree, options: Record<string, unknown> = {}): Promise<TestJob | null> {
  const planned = await plan(key, tree);
  const wanted = Object.fromEntries(planned.upload.map((path) => [path, tree[path] ?? ""]));
  if (planned.upload.length > 0) expect((await upload(key, planned.id, wanted)).status).toBe(202);
  const response = await commit(key, planned.id, { delete_missing: true, ...options });
  const { job } = await response.json<{ job: TestJob | null }>();
  expect(response.status).toBe(job === null ? 200 : 202);
  return job === null ? null : finishedJob(key, job.id);
}

const TREE: Tree = {
  "src/a.ts": "export function alpha() {\n  return 1;\n}\n",
  "src/b.ts": "export function beta() {\n  return 2;\n}\n",
  "docs/readme.md": "# Read me\n\nSome words on alpha and beta.\n",
};

async function rowsOf(workspaceId: string): Promise<unknown[]> {
  const tables = ["files", "jobs", "blob_garbage", "tombstones", "workspaces"];
  const rows = await Promise.all(
    tables.map((table) =>
      env.DB.prepare(
        `SELECT * FROM ${table} WHERE ${table === "workspaces" ? "id" : "workspace_id"} = ? ORDER BY 1, 2`,
      )
        .bind(workspaceId)
        .all(),
    ),
  );
  const blobs = await env.BLOBS.list({ prefix: `ws/${workspaceId}/` });
  return [...rows.map(({ results }) => results), blobs.objects.map(({ key }) => key)];
}

const resultsOf = async (key: string, query: string) => {
  const response = await call("POST", "/v1/search", { key, body: { query, mode: "lexical" } });
  return (await response.json<{ results: { path: string }[] }>()).results.map(({ path }) => path);
};

describe("POST /v1/syncs", () => {
  it("plans a first sync, an unchanged one, and one with changes, and changes nothing", async () => {
    const { id, key } = await newWorkspace();
    const first = await plan(key, TREE);
    expect(first.upload.toSorted()).toEqual(Object.keys(TREE).toSorted());
    expect(first).toMatchObject({
      unchanged: 0,
      renamed: [],
      copied: [],
      missing: [],
      skipped: [],
      estimate: { files: 3 },
    });
    expect(first.estimate.tokens).toBeGreaterThan(20);
    expect(first.estimate.chunks).toBeGreaterThanOrEqual(3);
    expect(first.estimate.cost_microusd).toBeGreaterThan(0);
    expect(Date.parse(first.expires_at) - Date.now()).toBeGreaterThan(3_500_000);
    expect(await sync(key, TREE)).toMatchObject({
      kind: "sync",
      status: "succeeded",
      files: { total: 3, done: 3 },
    });

    const before = await rowsOf(id);
    const again = await plan(key, TREE);
    expect(again).toMatchObject({
      upload: [],
      unchanged: 3,
      missing: [],
      estimate: { files: 0, bytes: 0, chunks: 0, tokens: 0, cost_microusd: 0 },
    });
    const changed = await plan(key, {
      "src/a.ts": TREE["src/a.ts"] ?? "",
      "lib/beta.ts": TREE["src/b.ts"] ?? "",
      "src/c.ts": "export const c = 3;\n",
    });
    expect(changed).toMatchObject({
      upload: ["src/c.ts"],
      unchanged: 1,
      renamed: [{ from: "src/b.ts", to: "lib/beta.ts" }],
      missing: ["docs/readme.md"],
    });
    expect(await rowsOf(id)).toEqual(before);
    expect((await commit(key, again.id, { delete_missing: true })).status).toBe(200);
    expect(await rowsOf(id)).toEqual(before);
  });

  it("skips each entry that it cannot take with its reason", async () => {
    const { key } = await newWorkspace();
    const put = (path: string, raw: string) => call("PUT", `/v1/files?path=${path}`, { key, raw });
    await put(".gitignore", "*.log\n/old.ts\n");
    await put("src/.devflowignore", "!keep.log\n");
    await put("bin.dat", "\0\0\0binary");
    const hostile = ["../x", "/etc/passwd", "a\\b", "C:/x", "a//b", "", "a/./b", "x\u0000", "\ud800"];
    const sha256 = "0".repeat(64);
    const files = [
      ...(await entriesOf({
        ".gitignore": "*.log\n/old.ts\n",
        "src/.devflowignore": "!keep.log\n",
        "bin.dat": "\0\0\0binary",
        "a.log": "x",
        "src/keep.log": "x",
        "old.ts": "x",
        "package-lock.json": "{}",
        "node_modules/x/index.js": "x",
        "empty.ts": "",
        "twice.ts": "x",
      })),
      { path: "twice.ts", sha256, size: 1 },
      { path: "big.csv", sha256, size: 2_000_000 },
      { path: "cafe\u0301.ts", sha256, size: 1 },
      { path: "caf\u00e9.ts", sha256, size: 1 },
      ...hostile.map((path) => ({ path, sha256, size: 1 })),
    ];
    const answer = await (await call("POST", "/v1/syncs", { key, body: { files } })).json<Plan>();
    expect(answer.upload.toSorted()).toEqual(["caf\u00e9.ts", "src/keep.log", "twice.ts"]);
    expect(answer.unchanged).toBe(2);
    const reasons = answer.skipped.filter(({ reason }) => reason !== "invalid_path");
    expect(reasons.map(({ path, reason }) => `${path}: ${reason}`).toSorted()).toEqual(
      [
        "a.log: ignored",
        "bin.dat: binary",
        "big.csv: too_large",
        "caf\u00e9.ts: duplicate",
        "empty.ts: empty",
        "node_modules/x/index.js: ignored",
        "old.ts: ignored",
        "package-lock.json: generated",
        "twice.ts: duplicate",
      ].toSorted(),
    );
    expect(answer.skipped.length - reasons.length).toBe(hostile.length);
    const all = { files, use_default_ignores: false };
    const taken = await (await call("POST", "/v1/syncs", { key, body: all })).json<Plan>();
    expect(taken.upload).toEqual(expect.arrayContaining(["package-lock.json", "node_modules/x/index.js"]));
  });

  it("keeps to its path", async () => {
    const { key } = await newWorkspace();
    await sync(key, TREE);
    const part = { "src/a.ts": "changed\n", "docs/x.md": "x" };
    const planned = await plan(key, part, { path: "src" });
    expect(planned).toMatchObject({
      upload: ["src/a.ts"],
      missing: ["src/b.ts"],
      skipped: [{ path: "docs/x.md", reason: "invalid_path" }],
    });
    expect(
      await problemOf(await call("POST", "/v1/syncs", { key, body: { path: "../x", files: [] } })),
    ).toEqual([400, "invalid_path"]);
  });

  it("takes 100,000 entries in one request, and not one more", async () => {
    const { key } = await newWorkspace();
    const digits = (i: number) => i.toString(16).padStart(64, "0");
    const files = Array.from({ length: 100_000 }, (_, i) => ({
      path: `packages/module-${i % 97}/src/folder-${i % 1009}/file-${i}.ts`,
      sha256: digits(i),
      size: 1000,
    }));
    const response = await call("POST", "/v1/syncs", { key, body: { files } });
    expect(response.status).toBe(201);
    const answer = await response.json<Plan>();
    expect(answer.upload_count).toBe(100_000);
    const state = await call("GET", `/v1/syncs/${answer.id}`, { key });
    expect(await state.json()).toMatchObject({ status: "open", upload_count: 100_000, uploaded_count: 0 });
    const more = { files: [...files, { path: "x", sha256: digits(1), size: 1 }] };
    expect((await call("POST", "/v1/syncs", { key, body: more })).status).toBe(400);
  }, 120_000);

  it("refuses a plan that the workspace has no room for", async () => {
    const { id, key } = await newWorkspace();
    await env.DB.prepare("UPDATE workspaces SET max_files = 2 WHERE id = ?").bind(id).run();
    const response = await call("POST", "/v1/syncs", { key, body: { files: await entriesOf(TREE) } });
    expect(await problemOf(response)).toEqual([403, "quota_exceeded"]);
  });
});

describe("POST /v1/syncs/{id}/commit", () => {
  it("ends as soon as a few files are indexed, renames included", async () => {
    const { key } = await newWorkspace();
    const times: number[] = [];
    // The best of three: a machine may be busy once.
    for (const turn of ["once", "twice", "thrice"]) {
      const tree = { [`src/${turn}.ts`]: TREE["src/a.ts"] ?? "", "src/b.ts": `export const ${turn} = 1;\n` };
      const started = Date.now();
      expect(await sync(key, tree)).toMatchObject({ status: "succeeded" });
      times.push(Date.now() - started);
    }
    expect(Math.min(...times)).toBeLessThan(1_500);
  });

  it("keeps a consumer once, and for a second, where files cannot be indexed for now", async () => {
    const { id, key } = await newWorkspace();
    await sync(key, TREE);
    const planned = await plan(key, {});
    const response = await commit(key, planned.id, { delete_missing: true, allow_mass_delete: true });
    const { job } = await response.json<{ job: TestJob }>();
    await finishedJob(key, job.id);
    // As if one of its files still waited.
    await env.DB.batch([
      env.DB.prepare("UPDATE jobs SET status = 'running', finished_at = NULL WHERE id = ?").bind(job.id),
      env.DB.prepare(
        "INSERT INTO job_files (job_id, path, generation, status) VALUES (?, 'held.ts', 1, 'pending')",
      ).bind(job.id),
    ]);
    const sent: unknown[] = [];
    const send = async (messages: unknown[], delaySeconds?: number) => void sent.push(messages, delaySeconds);
    const looked = async (again: object) => {
      const started = Date.now();
      await runSync(
        { ...services(), queue: { send } },
        { kind: "sync", workspaceId: id, jobId: job.id, ...again },
      );
      return Date.now() - started;
    };
    const once = await looked({});
    const twice = await looked({ looked: true });
    expect(once).toBeGreaterThan(800);
    expect(twice).toBeLessThan(once / 2);
    const again = [{ kind: "sync", workspaceId: id, jobId: job.id, looked: true }];
    expect(sent).toEqual([again, 2, again, 2]);
  });

  it("moves renamed files with their blobs, embeds only what their path changes, and deletes last", async () => {
    const { id, key } = await newWorkspace();
    await sync(key, TREE);
    const blobOf = async (path: string) =>
      env.DB.prepare("SELECT blob FROM files WHERE workspace_id = ? AND path = ?")
        .bind(id, path)
        .first("blob");
    const blob = await blobOf("src/b.ts");
    const next: Tree = {
      "src/a.ts": TREE["src/a.ts"] ?? "",
      "lib/b.ts": TREE["src/b.ts"] ?? "",
      "src/new.ts": "export const gamma = 3;\n",
    };
    const job = await sync(key, next);
    expect(job).toMatchObject({ status: "succeeded", receipt: { moved: 1, files: 1, blobs: 1 } });
    expect((await storedPaths(key)).toSorted()).toEqual(Object.keys(next).toSorted());
    expect(await blobOf("lib/b.ts")).toBe(blob);
    expect(await resultsOf(key, "beta")).toEqual(["lib/b.ts"]);
    const [objects, stats] = await Promise.all([
      env.BLOBS.list({ prefix: `ws/${id}/blobs/` }),
      call("GET", "/v1/stats", { key }),
    ]);
    expect(objects.objects).toHaveLength(3);
    const { files, chunks, vectors } = await stats.json<{ files: number; chunks: number; vectors: number }>();
    expect({ files, chunks, vectors }).toEqual({ files: 3, chunks: 3, vectors: 3 });
    // Names in front of the text are embedded too: a file that keeps them keeps its vectors.
    expect(await sync(key, next)).toBe(null);
  });

  it("copies what is stored at another path, with no upload: of files that stay, and of one that moves", async () => {
    const { id, key } = await newWorkspace();
    await sync(key, TREE);
    const [a, b] = [TREE["src/a.ts"] ?? "", TREE["src/b.ts"] ?? ""];
    const next: Tree = {
      "src/a.ts": a,
      "src/copy.ts": a,
      "lib/b.ts": b,
      "lib/second/b2.ts": b,
      "docs/readme.md": TREE["docs/readme.md"] ?? "",
    };
    const planned = await plan(key, next);
    expect(planned).toMatchObject({
      upload: [],
      unchanged: 2,
      renamed: [{ from: "src/b.ts", to: "lib/b.ts" }],
      missing: [],
    });
    expect(planned.copied.toSorted((one, other) => (one.to < other.to ? -1 : 1))).toEqual([
      { from: "src/b.ts", to: "lib/second/b2.ts" },
      { from: "src/a.ts", to: "src/copy.ts" },
    ]);
    const answer = await commit(key, planned.id, { delete_missing: true });
    const job = await finishedJob(key, (await answer.json<{ job: TestJob }>()).job.id);
    expect(job).toMatchObject({ status: "succeeded", files: { total: 3, failed: 0, skipped: 0 } });
    expect((await storedPaths(key)).toSorted()).toEqual(Object.keys(next).toSorted());
    for (const [path, text] of Object.entries(next)) {
      expect(await (await call("GET", `/v1/files/content?path=${path}`, { key })).text()).toBe(text);
    }
    const { chunks, vectors } = await (await call("GET", "/v1/stats", { key })).json<
      Record<string, number>
    >();
    expect([chunks, vectors]).toEqual([5, 5]);
    // Each has an object of its own, so that either may go.
    expect((await env.BLOBS.list({ prefix: `ws/${id}/blobs/` })).objects).toHaveLength(5);
    const gone = await call("POST", "/v1/files/delete", { key, body: { path: "src/a.ts" } });
    expect(gone.status).toBe(200);
    expect(await (await call("GET", "/v1/files/content?path=src/copy.ts", { key })).text()).toBe(a);
    const state = await (await call("GET", `/v1/syncs/${planned.id}`, { key })).json();
    expect(state).toMatchObject({ upload_count: 0, copied_count: 2, renamed_count: 1, waiting: [] });
  });

  it("asks for a copy whose original has changed since the plan, and leaves alone what came to its path", async () => {
    const { key } = await newWorkspace();
    await sync(key, TREE);
    const [a, b] = [TREE["src/a.ts"] ?? "", TREE["src/b.ts"] ?? ""];
    const planned = await plan(key, { ...TREE, "a2.ts": a, "b2.ts": b });
    expect(planned.copied).toHaveLength(2);
    const put = (path: string, raw: string) => call("PUT", `/v1/files?path=${path}`, { key, raw });
    await put("src/a.ts", "export const changed = 1;\n");
    await put("b2.ts", "export const newer = 1;\n");
    const early = await commit(key, planned.id);
    expect(early.status).toBe(409);
    expect(await early.json()).toMatchObject({ upload: ["a2.ts"], upload_count: 1 });
    expect((await upload(key, planned.id, { "a2.ts": a })).status).toBe(202);
    const answer = await commit(key, planned.id);
    const job = await finishedJob(key, (await answer.json<{ job: TestJob }>()).job.id);
    expect(job).toMatchObject({ status: "succeeded", files: { failed: 0 } });
    const textOf = async (path: string) =>
      (await call("GET", `/v1/files/content?path=${path}`, { key })).text();
    expect(await textOf("a2.ts")).toBe(a);
    expect(await textOf("b2.ts")).toContain("newer");
  });

  it("waits for uploads, guards against mass deletion, and is the same when repeated", async () => {
    const { key } = await newWorkspace();
    await sync(key, TREE);
    const next: Tree = { "only.ts": "export const only = 1;\n" };
    const planned = await plan(key, next);
    const early = await commit(key, planned.id);
    expect(early.status).toBe(409);
    expect(await early.json()).toMatchObject({ code: "conflict", upload: ["only.ts"], upload_count: 1 });
    await upload(key, planned.id, next);
    const mass = await commit(key, planned.id, { delete_missing: true });
    expect(await mass.clone().json()).toMatchObject({ retryable: false, missing_count: 3 });
    expect(await problemOf(mass)).toEqual([409, "conflict"]);
    const options = { delete_missing: true, allow_mass_delete: true };
    const answers = await Promise.all([1, 2, 3].map(() => commit(key, planned.id, options)));
    const jobs = await Promise.all(answers.map((answer) => answer.json<{ job: TestJob }>()));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(new Set(jobs.map(({ job }) => job.id)).size).toBe(1);
    const job = await finishedJob(key, jobs[0]?.job.id ?? "");
    expect(job).toMatchObject({ status: "succeeded", receipt: { files: 3 } });
    expect(await storedPaths(key)).toEqual(["only.ts"]);
    expect(await resultsOf(key, "alpha")).toEqual([]);
    expect((await commit(key, planned.id)).status).toBe(202);
    expect((await jobFilesOf(key, job.id)).map(({ path, status }) => `${path} ${status}`)).toEqual([
      "docs/readme.md deleted",
      "only.ts indexed",
      "src/a.ts deleted",
      "src/b.ts deleted",
    ]);
    const state = await (await call("GET", `/v1/syncs/${planned.id}`, { key })).json();
    expect(state).toMatchObject({ status: "committed", job_id: job.id, uploaded_count: 1, missing_count: 3 });
  });

  it("leaves alone what came after the plan", async () => {
    const { key } = await newWorkspace();
    await sync(key, TREE);
    const planned = await plan(key, {
      "moved.ts": TREE["src/b.ts"] ?? "",
      "src/a.ts": TREE["src/a.ts"] ?? "",
    });
    const put = (path: string, raw: string) => call("PUT", `/v1/files?path=${path}`, { key, raw });
    await put("docs/readme.md", "# Newer\n");
    await put("src/b.ts", "export const newer = 1;\n");
    // The content that was to be moved is gone.
    expect((await commit(key, planned.id, { delete_missing: true })).status).toBe(409);
    expect((await upload(key, planned.id, { "moved.ts": TREE["src/b.ts"] ?? "" })).status).toBe(202);
    const response = await commit(key, planned.id, { delete_missing: true });
    await finishedJob(key, (await response.json<{ job: TestJob }>()).job.id);
    expect(await storedPaths(key)).toEqual(["docs/readme.md", "moved.ts", "src/a.ts", "src/b.ts"]);
    expect(await (await call("GET", "/v1/files/content?path=src/b.ts", { key })).text()).toContain("newer");
  });
});

describe("Sync-Id", () => {
  it("charges each planned file to its plan once, and all else to the policy", async () => {
    const { id, key } = await newWorkspace();
    const address = freshAddress();
    const app = appWith({ RATE_LIMIT_MULTIPLIER: "1", RATE_LIMITS: '{"index": {"requests": 3}}' });
    const send = (
      method: string,
      path: string,
      init: RequestInit & { headers?: Record<string, string> } = {},
    ) =>
      app.fetch(path, {
        ...init,
        method,
        headers: { authorization: `Bearer ${key}`, "cf-connecting-ip": address, ...init.headers },
      });
    const tree: Tree = Object.fromEntries(
      Array.from({ length: 15 }, (_, i) => [`f${i}.ts`, `export const f${i} = ${i};\n`]),
    );
    const planned = await (
      await send("POST", "/v1/syncs", {
        body: JSON.stringify({ files: await entriesOf(tree) }),
        headers: { "content-type": "application/json" },
      })
    ).json<Plan>();
    const put = async (path: string, body: string, syncId: string | null = planned.id) =>
      (
        await send("PUT", `/v1/files?path=${path}`, {
          body,
          headers: syncId === null ? {} : { "sync-id": syncId },
        })
      ).status;
    // Twelve files, four times the quota: none of them counts.
    for (let i = 0; i < 12; i++) expect(await put(`f${i}.ts`, tree[`f${i}.ts`] ?? "")).toBe(202);
    const jobs = await env.DB.prepare("SELECT kind FROM jobs WHERE workspace_id = ?").bind(id).all();
    expect(jobs.results).toEqual([{ kind: "sync" }]);
    // Other content, then the same again: both are ordinary, and spend what is left of three.
    expect(await put("f12.ts", "other content\n")).toBe(202);
    expect(await put("f0.ts", tree["f0.ts"] ?? "")).toBe(200);
    expect(await put("f1.ts", tree["f1.ts"] ?? "")).toBe(429);
    expect(await put("f13.ts", "not as planned\n")).toBe(429);
    expect(await put("f14.ts", "export", null)).toBe(429);
    // What the plan still waits for is free nevertheless, also together.
    const { raw, headers } = multipart({ "f13.ts": tree["f13.ts"] ?? "", "f14.ts": tree["f14.ts"] ?? "" });
    const many = await send("POST", "/v1/files", {
      body: raw,
      headers: { ...headers, "sync-id": planned.id },
    });
    expect(many.status).toBe(202);
    const [sum] = (
      await env.DB.prepare("SELECT state, count(*) AS n FROM sync_files WHERE sync_id = ? GROUP BY state")
        .bind(planned.id)
        .all()
    ).results.filter(({ state }) => state === "uploaded");
    expect(sum?.["n"]).toBe(14);
  });

  it("is its key's alone, for an hour", async () => {
    const { key } = await newWorkspace();
    const other = await newWorkspace();
    const second = await newKey(key, { scopes: ["index"] });
    const planned = await plan(key, TREE);
    const put = (credential: string) =>
      call("PUT", "/v1/files?path=src/a.ts", {
        key: credential,
        raw: TREE["src/a.ts"] ?? "",
        headers: { "sync-id": planned.id },
      });
    for (const credential of [other.key, second.key]) {
      expect(await problemOf(await put(credential))).toEqual([404, "not_found"]);
      expect((await commit(credential, planned.id)).status).toBe(404);
      expect((await call("GET", `/v1/syncs/${planned.id}`, { key: credential })).status).toBe(404);
    }
    expect(await storedPaths(other.key)).toEqual([]);
    expect((await put(key)).status).toBe(202);
    await env.DB.prepare("UPDATE syncs SET expires_at = ? WHERE id = ?")
      .bind(Date.now() - 1, planned.id)
      .run();
    expect(await problemOf(await put(key))).toEqual([409, "conflict"]);
    expect((await commit(key, planned.id)).status).toBe(409);
    const archive = { raw: "x", headers: { "content-type": "application/gzip", "sync-id": planned.id } };
    expect((await call("POST", "/v1/files", { key, ...archive })).status).toBe(409);
    // The cron forgets it, and its job ends with what was uploaded.
    await env.DB.prepare("UPDATE syncs SET expires_at = ? WHERE id = ?").bind(1, planned.id).run();
    await eventually(
      async () =>
        (await (await call("GET", "/v1/stats", { key })).json<{ pending_files: number }>()).pending_files,
      (pending) => pending === 0,
    );
    await runScheduled(services(), "* * * * *");
    const [job] = (await (await call("GET", "/v1/jobs", { key })).json<{ items: TestJob[] }>()).items;
    expect(job).toMatchObject({ kind: "sync", status: "succeeded", files: { total: 1, done: 1 } });
    const left = await env.DB.prepare("SELECT count(*) AS n FROM sync_files WHERE sync_id = ?")
      .bind(planned.id)
      .first("n");
    expect(left).toBe(0);
    expect((await call("GET", `/v1/syncs/${planned.id}`, { key })).status).toBe(404);
  });
});

describe("ignore rules of uploads", () => {
  it("govern a multipart body whatever its order, and what was stored before", async () => {
    const { key } = await newWorkspace();
    await call("PUT", "/v1/files?path=stale.tmp", { key, raw: "once indexed\n" });
    const send = async (tree: Tree, query = "") => {
      const { raw, headers } = multipart(tree);
      const response = await call("POST", `/v1/files${query}`, { key, raw, headers });
      const { job } = await response.json<{ job: TestJob }>();
      const done = await finishedJob(key, job.id);
      const files = await jobFilesOf(key, done.id);
      return files.map(({ path, status, reason }) => `${path} ${reason ?? status}`);
    };
    const first = await send({
      "a.tmp": "x",
      "src/a.ts": "export const a = 1;\n",
      "stale.tmp": "once indexed\n",
      "src/deep/keep.tmp": "x\n",
      "src/.gitignore": "!keep.tmp\n",
      ".gitignore": "*.tmp\n",
      "gen.go": "// Code generated by x. DO NOT EDIT.\npackage x\n",
      "yarn.lock": "x\n",
    });
    expect(first).toEqual([
      ".gitignore indexed",
      "a.tmp ignored",
      "gen.go generated",
      "src/.gitignore indexed",
      "src/a.ts indexed",
      "src/deep/keep.tmp indexed",
      "stale.tmp ignored",
      "yarn.lock generated",
    ]);
    expect(await storedPaths(key)).not.toContain("a.tmp");
    expect(await resultsOf(key, "once indexed")).toEqual([]);
    // Stored rules hold for the next upload, and for a single file.
    expect(await send({ "src/b.tmp": "x\n" })).toEqual(["src/b.tmp ignored"]);
    const put = await call("PUT", "/v1/files?path=b.tmp", { key, raw: "x\n" });
    expect(put.status).toBe(200);
    expect(await put.json()).toMatchObject({
      job: null,
      file: { status: "skipped", skip_reason: "ignored" },
    });
    expect(
      await send(
        { "yarn.lock": "x\n", "gen.go": "// Code generated by x. DO NOT EDIT.\npackage x\n" },
        "?use_default_ignores=false",
      ),
    ).toEqual(["gen.go indexed", "yarn.lock indexed"]);
  });
});
