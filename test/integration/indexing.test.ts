import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { pathFilter } from "../../src/core/vector-metadata.ts";
import { files, workspaces } from "../../src/db/schema.ts";
import { indexFiles } from "../../src/indexing/index-files.ts";
import { call, newWorkspace, type TestWorkspace } from "../support/api.ts";
import { acceptFiles, eventually, services } from "../support/indexing.ts";

interface JobBody {
  id: string;
  status: string;
  error: string | null;
  files: { total: number; done: number; unchanged: number; skipped: number; failed: number };
  chunks: { total: number; embedded: number; reused: number };
  tokens: number;
}

const deps = services();

const TREE = {
  "src/http/server.ts": "export function startServer(port: number) {\n  return listen(port);\n}\n",
  "src/http/router.ts":
    "export class Router {\n  match(path: string) {\n    return this.routes.get(path);\n  }\n}\n",
  "src/math.py": "def add_two_numbers(a, b):\n    return a + b\n",
  "README.md": "# Widgets\n\nA library of widgets for the browser.\n",
};

async function jobOf({ key }: TestWorkspace, id: string): Promise<JobBody> {
  const response = await call("GET", `/v1/jobs/${id}`, { key });
  expect(response.status).toBe(200);
  return response.json<JobBody>();
}

const ended = (workspace: TestWorkspace, id: string) =>
  eventually(
    () => jobOf(workspace, id),
    (job) => !["queued", "running"].includes(job.status),
  );

/** Accepts the files and has the queue's consumer index them. */
async function index(
  workspace: TestWorkspace,
  contents: Record<string, string | Uint8Array>,
): Promise<JobBody> {
  const { jobId, files: accepted } = await acceptFiles(deps, workspace.id, contents);
  await deps.queue.send([{ kind: "index", workspaceId: workspace.id, jobId, files: accepted }]);
  return ended(workspace, jobId);
}

async function collectionOf({ id }: TestWorkspace): Promise<string> {
  const [row] = await deps.db.select().from(workspaces).where(eq(workspaces.id, id));
  if (!row?.collectionId) throw new Error("the workspace has no collection");
  return row.collectionId;
}

const statsOf = ({ id }: TestWorkspace) => deps.workspaceIndex(id).stats();

describe("indexing through the queue", () => {
  it("brings accepted files into index and vectors, and ends the job", async () => {
    const workspace = await newWorkspace();
    const job = await index(workspace, TREE);
    expect(job).toMatchObject({ status: "succeeded", error: null, files: { total: 4, done: 4, failed: 0 } });
    expect(job.chunks.total).toBe(4);
    expect(job.chunks.embedded).toBe(4);
    expect(job.tokens).toBeGreaterThan(20);

    const collection = await collectionOf(workspace);
    expect(await deps.vectors.count(collection)).toBe(4);
    expect(await statsOf(workspace)).toMatchObject({ files: 4, chunks: 4 });
    const rows = await deps.db.select().from(files).where(eq(files.workspaceId, workspace.id));
    expect(
      rows.every(
        ({ status, chunks, chunkedBy }) => status === "indexed" && chunks === 1 && chunkedBy === "syntax",
      ),
    ).toBe(true);
    const info = await call("GET", "/v1/files/info?path=src/http/router.ts", workspace);
    expect(await info.json()).toMatchObject({
      chunked_by: "syntax",
      symbols: [
        { name: "Router", kind: "class", parent: null, start_line: 1, end_line: 5 },
        { name: "match", kind: "method", parent: "Router", start_line: 2, end_line: 4 },
      ],
    });

    const { vectors } = await deps.embedder.embed(["sum of two integers"]);
    const [hit] = await deps.vectors.query(collection, vectors[0] ?? [], 3, []);
    const [chunk] = await deps.workspaceIndex(workspace.id).chunks([hit?.id ?? ""]);
    expect(chunk?.path).toBe("src/math.py");
  });

  it("writes metadata by which one equality selects a file or a folder", async () => {
    const workspace = await newWorkspace();
    await index(workspace, { ...TREE, "src/http-old/server.ts": "export const old = 1;\n" });
    const collection = await collectionOf(workspace);
    const { vectors } = await deps.embedder.embed(["server"]);
    const found = async (path: string) => {
      const hits = await deps.vectors.query(collection, vectors[0] ?? [], 50, [pathFilter(path).filter]);
      const chunks = await deps.workspaceIndex(workspace.id).chunks(hits.map(({ id }) => id));
      return chunks.map((chunk) => chunk.path).sort();
    };
    expect(await found("src/http")).toEqual(["src/http/router.ts", "src/http/server.ts"]);
    expect(await found("src/math.py")).toEqual(["src/math.py"]);
    expect(await found("src")).toHaveLength(4);
    expect(await found("sr")).toEqual([]);
  });

  it("keeps vectors of text that did not change, and drops those of text that went", async () => {
    const workspace = await newWorkspace();
    const block = (name: string) => `function ${name}() {\n${`  work("${name}");\n`.repeat(30)}}\n\n`;
    const first = await index(workspace, { "a.js": block("one") + block("two") + block("three") });
    const second = await index(workspace, { "a.js": block("one") + block("four") + block("three") });
    expect(second.status).toBe("succeeded");
    expect(second.chunks.reused).toBeGreaterThan(0);
    expect(second.chunks.embedded).toBeLessThan(first.chunks.embedded);
    expect(await deps.vectors.count(await collectionOf(workspace))).toBe(second.chunks.total);
    expect(await statsOf(workspace)).toMatchObject({ files: 1, chunks: second.chunks.total });
    expect(await deps.workspaceIndex(workspace.id).unsettled(Date.now() + 1000, 100)).toEqual([]);
  });

  it("skips what is not text or holds nothing, and drops what an older version had in the index", async () => {
    const workspace = await newWorkspace();
    await index(workspace, { "a.txt": "some words\n", "b.txt": "other words\n" });
    const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1, 0, 255, 254, 3]);
    const job = await index(workspace, { "a.txt": png, "b.txt": " \n\t\n", "c.txt": "words" });
    expect(job).toMatchObject({ status: "succeeded", files: { total: 3, done: 3, skipped: 2 } });
    const listed = await call("GET", `/v1/jobs/${job.id}/files?status=skipped`, { key: workspace.key });
    expect(await listed.json()).toMatchObject({
      items: [
        { path: "a.txt", status: "skipped", reason: "binary" },
        { path: "b.txt", status: "skipped", reason: "empty" },
      ],
      next_cursor: null,
    });
    expect(await statsOf(workspace)).toMatchObject({ files: 1, chunks: 1 });
    expect(await deps.vectors.count(await collectionOf(workspace))).toBe(1);
  });

  it("cuts a file by lines that breaks its parser, and the next one by its syntax", async () => {
    const workspace = await newWorkspace();
    const breaking = '"${'.repeat(1500);
    const whole = "fun add(a: Int, b: Int): Int {\n  return a + b\n}\n";
    const job = await index(workspace, { "a.kt": breaking, "b.kt": whole, "c.kt": `// Again.\n${whole}` });
    expect(job).toMatchObject({ status: "succeeded", files: { total: 3, done: 3, failed: 0 } });
    const chunkedBy = async (path: string) => {
      const response = await call("GET", `/v1/files/info?path=${path}`, { key: workspace.key });
      return (await response.json<{ chunked_by: string }>()).chunked_by;
    };
    expect(await Promise.all(["a.kt", "b.kt", "c.kt"].map(chunkedBy))).toEqual(["lines", "syntax", "syntax"]);
  });

  it("fails a file whose content is gone, alone", async () => {
    const workspace = await newWorkspace();
    const { jobId, files: accepted } = await acceptFiles(deps, workspace.id, {
      "a.ts": "let a;",
      "b.ts": "let b;",
    });
    await deps.db.update(files).set({ blob: "nowhere" }).where(eq(files.path, "a.ts"));
    await deps.queue.send([{ kind: "index", workspaceId: workspace.id, jobId, files: accepted }]);
    const job = await ended(workspace, jobId);
    expect(job).toMatchObject({ status: "failed", error_count: 1, files: { total: 2, done: 2, failed: 1 } });
    expect(await statsOf(workspace)).toMatchObject({ files: 1 });
  });

  it("counts a message that is delivered twice once, also side by side", async () => {
    const workspace = await newWorkspace();
    const { jobId, files: accepted } = await acceptFiles(deps, workspace.id, TREE);
    const message = { kind: "index" as const, workspaceId: workspace.id, jobId, files: accepted };
    await Promise.all([indexFiles(deps, message), indexFiles(deps, message)]);
    await indexFiles(deps, message);
    const job = await jobOf(workspace, jobId);
    expect(job).toMatchObject({ status: "succeeded", files: { total: 4, done: 4 }, chunks: { total: 4 } });
    expect(await deps.vectors.count(await collectionOf(workspace))).toBe(4);
    expect(await statsOf(workspace)).toMatchObject({ files: 4, chunks: 4 });
  });

  it("leaves a file to the newer version that was accepted meanwhile", async () => {
    const workspace = await newWorkspace();
    const old = await acceptFiles(deps, workspace.id, { "a.ts": "const old = 1;" });
    const fresh = await acceptFiles(deps, workspace.id, { "a.ts": "const fresh = 2;" });
    const message = (job: typeof old) => ({ kind: "index" as const, workspaceId: workspace.id, ...job });
    await indexFiles(deps, message(fresh));
    await indexFiles(deps, message(old));
    expect((await jobOf(workspace, old.jobId)).files).toMatchObject({ total: 1, done: 1, skipped: 1 });
    const { vectors } = await deps.embedder.embed(["value"]);
    const [hit] = await deps.vectors.query(await collectionOf(workspace), vectors[0] ?? [], 5, []);
    const [chunk] = await deps.workspaceIndex(workspace.id).chunks([hit?.id ?? ""]);
    expect(chunk?.text).toBe("const fresh = 2;");
  });

  it("takes a long line and hostile names", async () => {
    const workspace = await newWorkspace();
    const job = await index(workspace, {
      "min.js": "a(b,c);".repeat(4_000),
      "日本語/ファイル.ts": "export const 挨拶 = 'こんにちは';\n",
      "a b/'quo\"te%00.ts": "export const x = 1;\r\nexport const y = 2;\r\n",
      [`${"deep/".repeat(40)}x.ts`]: "export const deep = true;",
    });
    expect(job).toMatchObject({ status: "succeeded", files: { total: 4, done: 4, failed: 0, skipped: 0 } });
    expect(await deps.vectors.count(await collectionOf(workspace))).toBe(job.chunks.total);
  });
});
