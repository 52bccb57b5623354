import { describe, expect, it } from "vitest";
import { finishDeletions } from "../../src/files/finish-deletions.ts";
import { runDeletion } from "../../src/files/run-deletion.ts";
import { call, newWorkspace } from "../support/api.ts";
import { services } from "../support/indexing.ts";
import { finishedJob, storedPaths, type TestJob } from "../support/jobs.ts";

async function putAll(key: string, files: Record<string, string>): Promise<void> {
  const form = new FormData();
  for (const [path, content] of Object.entries(files)) form.append("files", new File([content], path));
  const encoded = new Response(form);
  const headers = { "content-type": encoded.headers.get("content-type") ?? "" };
  const response = await call("POST", "/v1/files", { key, raw: await encoded.arrayBuffer(), headers });
  expect(response.status, await response.clone().text()).toBe(202);
  const { job } = await response.json<{ job: TestJob }>();
  expect(await finishedJob(key, job.id)).toMatchObject({ status: "succeeded", files: { failed: 0 } });
}

const get = (key: string, path: string, headers: Record<string, string> = {}) =>
  call("GET", path, { key, headers });
const del = async (key: string, body: unknown) => {
  const response = await call("POST", "/v1/files/delete", { key, body });
  return { status: response.status, ...(await response.json<Record<string, unknown>>()) };
};

describe("GET /v1/files", () => {
  it("lists by path, in pages, a folder by whole segments", async () => {
    const { key } = await newWorkspace();
    await putAll(key, {
      "src/a.ts": "a\n",
      "src/b/c.py": "c\n",
      "src-old/x.ts": "x\n",
      src0: "0\n",
      "日本/é.md": "m\n",
    });
    expect(await storedPaths(key)).toEqual(["src-old/x.ts", "src/a.ts", "src/b/c.py", "src0", "日本/é.md"]);
    const seen: string[] = [];
    let cursor = "";
    do {
      const page = await (await get(key, `/v1/files?limit=2${cursor && `&cursor=${cursor}`}`)).json<{
        items: { path: string; status: string; chunks: number; indexed_at: string }[];
        next_cursor: string | null;
      }>();
      for (const item of page.items) {
        expect(item).toMatchObject({ status: "indexed", chunks: 1 });
        seen.push(item.path);
      }
      cursor = page.next_cursor ?? "";
    } while (cursor !== "");
    expect(seen).toEqual(await storedPaths(key));
    const folder = await (await get(key, "/v1/files?path=src")).json<{ items: { path: string }[] }>();
    expect(folder.items.map(({ path }) => path)).toEqual(["src/a.ts", "src/b/c.py"]);
    const one = await (await get(key, "/v1/files?path=src/a.ts")).json<{ items: unknown[] }>();
    expect(one.items).toHaveLength(1);
  });

  it("refuses bad limits, paths and cursors of another list or workspace", async () => {
    const [mine, theirs] = [await newWorkspace(), await newWorkspace()];
    await putAll(mine.key, { a: "1\n", b: "2\n" });
    await putAll(theirs.key, { a: "1\n", b: "2\n" });
    for (const query of [
      "limit=0",
      "limit=101",
      "limit=x",
      "limit=1.5",
      "path=",
      "path=../a",
      "cursor=x",
      "order=asc",
    ]) {
      expect((await get(mine.key, `/v1/files?${query}`)).status, query).toBe(400);
    }
    const { next_cursor } = await (await get(theirs.key, "/v1/files?limit=1")).json<{
      next_cursor: string;
    }>();
    const foreign = await get(mine.key, `/v1/files?limit=1&cursor=${next_cursor}`);
    expect(await foreign.json()).toMatchObject({ code: "invalid_cursor" });
  });
});

describe("GET /v1/files/info and /content", () => {
  it("shows one file, and another workspace none", async () => {
    const [mine, theirs] = [await newWorkspace(), await newWorkspace()];
    await putAll(mine.key, { "a.ts": "export function f() {}\n" });
    const info = await get(mine.key, "/v1/files/info?path=a.ts");
    expect(await info.json()).toMatchObject({
      path: "a.ts",
      status: "indexed",
      chunked_by: "syntax",
      symbols: [{ name: "f", kind: "function", parent: null, start_line: 1, end_line: 1 }],
    });
    for (const route of ["info", "content"]) {
      expect((await get(theirs.key, `/v1/files/${route}?path=a.ts`)).status).toBe(404);
      expect((await get(mine.key, `/v1/files/${route}?path=b.ts`)).status).toBe(404);
      expect((await get(mine.key, `/v1/files/${route}?path=../b`)).status).toBe(400);
      expect((await get(mine.key, `/v1/files/${route}`)).status).toBe(400);
      expect((await call("HEAD", `/v1/files/${route}?path=a.ts`, { key: mine.key })).status).toBe(200);
    }
  });

  it("serves text as decoded UTF-8, never to be sniffed, with ETag and 304", async () => {
    const { key } = await newWorkspace();
    const latin1 = new Uint8Array([0x3c, 0x62, 0x3e, 0x63, 0x61, 0x66, 0xe9, 0x0a]);
    await call("PUT", "/v1/files?path=a.html", { key, raw: latin1 });
    const content = await get(key, "/v1/files/content?path=a.html");
    expect(await content.text()).toBe("<b>café\n");
    expect(content.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(content.headers.get("x-content-type-options")).toBe("nosniff");
    const etag = content.headers.get("etag") ?? "";
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const again = await get(key, "/v1/files/content?path=a.html", { "if-none-match": known });
      expect(again.status, known).toBe(304);
      expect(await again.text()).toBe("");
    }
    expect((await get(key, "/v1/files/content?path=a.html", { "if-none-match": '"x"' })).status).toBe(200);
  });

  it("cuts out lines, 1-based and inclusive", async () => {
    const { key } = await newWorkspace();
    await call("PUT", "/v1/files?path=l.txt", { key, raw: "one\r\ntwo\nthree" });
    const lines = async (query: string) => {
      const response = await get(key, `/v1/files/content?path=l.txt&${query}`);
      return response.status === 200 ? await response.text() : response.status;
    };
    expect(await lines("start_line=1&end_line=1")).toBe("one\r\n");
    expect(await lines("start_line=2")).toBe("two\nthree");
    expect(await lines("end_line=2")).toBe("one\r\ntwo\n");
    expect(await lines("start_line=3&end_line=99")).toBe("three");
    for (const query of [
      "start_line=4",
      "start_line=2&end_line=1",
      "start_line=0",
      "start_line=-1",
      "end_line=x",
    ]) {
      expect(await lines(query), query).toBe(400);
    }
  });
});

describe("POST /v1/files/delete", () => {
  it("deletes a file from every store and counts what went", async () => {
    const { key } = await newWorkspace();
    await putAll(key, { "a.ts": "export const a = 1;\n", "b.ts": "export const b = 1;\n" });
    expect(await del(key, { path: "a.ts" })).toEqual({
      status: 200,
      deleted: { files: 1, chunks: 1, vectors: 1, blobs: 1 },
    });
    expect(await storedPaths(key)).toEqual(["b.ts"]);
    expect((await get(key, "/v1/files/content?path=a.ts")).status).toBe(404);
    expect(await (await get(key, "/v1/stats")).json()).toMatchObject({
      files: 1,
      chunks: 1,
      vectors: 1,
      bytes: 20,
    });
    expect((await del(key, { path: "a.ts" })).status).toBe(404);
  });

  it("deletes a folder by whole segments, only when asked to recurse", async () => {
    const { key } = await newWorkspace();
    await putAll(key, { "src/a.ts": "a\n", "src/b/c.ts": "c\n", "src-old/x.ts": "x\n" });
    expect((await del(key, { path: "src" })).status).toBe(404);
    expect(await del(key, { path: "src", recursive: true })).toMatchObject({
      status: 200,
      deleted: { files: 2 },
    });
    expect(await storedPaths(key)).toEqual(["src-old/x.ts"]);
  });

  it("deletes everything only with the workspace's own id", async () => {
    const [mine, theirs] = [await newWorkspace(), await newWorkspace()];
    await putAll(mine.key, { "a.ts": "a\n" });
    await putAll(theirs.key, { "a.ts": "a\n" });
    expect((await del(mine.key, { all: true, confirm: theirs.id })).status).toBe(400);
    expect(await del(mine.key, { all: true, confirm: mine.id })).toMatchObject({ deleted: { files: 1 } });
    expect(await storedPaths(theirs.key)).toEqual(["a.ts"]);
    expect(await (await get(mine.key, "/v1/stats")).json()).toMatchObject({
      files: 0,
      chunks: 0,
      vectors: 0,
      bytes: 0,
    });
  });

  it("refuses other bodies", async () => {
    const { key } = await newWorkspace();
    for (const body of [
      {},
      { path: ".", recursive: true },
      { path: "" },
      { path: 1 },
      { path: "a", all: true },
      { all: false, confirm: "x" },
      { all: true },
      [],
      "x",
      null,
      { path: "a", force: 1 },
    ]) {
      expect((await del(key, body)).status, JSON.stringify(body)).toBe(400);
    }
  });

  it("takes a skipped version's predecessor out of index and vectors", async () => {
    const { key } = await newWorkspace();
    await putAll(key, { "a.ts": "export const a = 1;\n" });
    const put = await call("PUT", "/v1/files?path=a.ts", { key, raw: new Uint8Array([0, 1, 2, 3]) });
    expect(await put.json()).toMatchObject({
      file: { status: "skipped", chunks: 0, indexed_at: null },
      job: null,
    });
    expect(await (await get(key, "/v1/stats")).json()).toMatchObject({
      files: 1,
      chunks: 0,
      vectors: 0,
      bytes: 0,
    });
  });

  it("deletes over 1,000 files by a job, which counts in its receipt", async () => {
    const { key } = await newWorkspace();
    for (const folder of ["x", "y"]) {
      const files = Array.from({ length: 600 }, (_, i) => [`${folder}/${i}`, ""]);
      await putAll(key, Object.fromEntries(files));
    }
    await putAll(key, { "x/real.ts": "export const a = 1;\n" });
    const { status, job } = (await del(key, { path: "x", recursive: true })) as {
      status: number;
      job?: TestJob;
    };
    expect(status).toBe(200);
    expect(job).toBeUndefined();
    await putAll(key, Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`y/z/${i}`, ""])));
    await putAll(key, { "y/real.ts": "export const b = 1;\n" });
    const big = (await del(key, { path: "y", recursive: true })) as unknown as {
      status: number;
      job: TestJob;
    };
    expect(big.status).toBe(202);
    expect(await finishedJob(key, big.job.id)).toMatchObject({
      kind: "delete",
      status: "succeeded",
      receipt: { files: 1201, chunks: 1, vectors: 1, blobs: 1 },
    });
    expect(await storedPaths(key)).toEqual([]);
  }, 60_000);

  it("leaves the vectors to a job where the vector store is down, and the files are gone from all else", async () => {
    const { id, key } = await newWorkspace();
    await putAll(key, { "a.ts": "export const a = 1;\n" });
    const { deleteFiles } = await import("../../src/files/delete-files.ts");
    const down = services({ CHROMA_URL: "http://127.0.0.1:9", UPSTREAM_RETRIES: "0" });
    const caller = { workspaceId: id, keyId: "key_x", requestId: "req_x" };
    // Its message waits for nobody: the job is carried out below, by hand.
    const queue = { send: async () => {} };
    const result = await deleteFiles({ ...down, vectors: down.vectors, queue }, caller, { file: "a.ts" });
    expect(result).toHaveProperty("jobId");
    const jobId = (result as { jobId: string }).jobId;
    expect(await storedPaths(key)).toEqual([]);
    expect(await (await get(key, "/v1/stats")).json()).toMatchObject({ files: 0, chunks: 0, vectors: 1 });
    const up = services();
    await runDeletion(up, { workspaceId: id, jobId });
    expect(await (await get(key, "/v1/stats")).json()).toMatchObject({ vectors: 0 });
    expect(await finishedJob(key, jobId)).toMatchObject({
      status: "succeeded",
      receipt: { files: 1, blobs: 1 },
    });
  });
});

describe("finishDeletions", () => {
  it("deletes blobs that nobody owns, and settles deletions that were interrupted", async () => {
    const { id, key } = await newWorkspace();
    await putAll(key, { "a.ts": "export const a = 1;\n" });
    const deps = services();
    const { deleteRound } = await import("../../src/files/delete-files.ts");
    const { blobKeys } = await deleteRound(deps, id, { file: "a.ts" }, null, null);
    expect(await deps.blobs.head(blobKeys[0] ?? "")).not.toBeNull();
    expect(await (await get(key, "/v1/stats")).json()).toMatchObject({ files: 0, chunks: 1, vectors: 1 });
    const tomorrow = Date.now() + 86_400_000;
    const done = await finishDeletions({ ...deps, vectors: deps.vectors, now: () => tomorrow });
    expect(done).toMatchObject({ files: 1, vectors: 1 });
    expect(done.blobs).toBeGreaterThan(0);
    expect(await deps.blobs.head(blobKeys[0] ?? "")).toBeNull();
    expect(await (await get(key, "/v1/stats")).json()).toMatchObject({ chunks: 0, vectors: 0 });
    expect(await finishDeletions({ ...deps, vectors: deps.vectors, now: () => tomorrow })).toMatchObject({
      files: 0,
    });
  });
});
