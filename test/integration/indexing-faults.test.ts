import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { and, eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { createLogger } from "../../src/core/log.ts";
import type { IndexingMessage } from "../../src/core/ports.ts";
import { blobKey } from "../../src/db/blob-garbage.ts";
import { files, jobFiles, jobs, workspaces } from "../../src/db/schema.ts";
import { finishDeletions } from "../../src/files/finish-deletions.ts";
import { collectionName } from "../../src/indexing/collection.ts";
import { moveModels } from "../../src/indexing/move-models.ts";
import { startIndex } from "../../src/indexing/start-index.ts";
import { sweepJob } from "../../src/indexing/sweep.ts";
import { consume, PLACES, retryDelaySeconds } from "../../src/queue.ts";
import type { Services } from "../../src/services.ts";
import { call, newWorkspace, type TestWorkspace } from "../support/api.ts";
import { acceptFiles, eventually, services } from "../support/indexing.ts";

interface JobBody {
  id: string;
  kind: string;
  status: string;
  error: string | null;
  error_count: number;
  receipt?: Record<string, number>;
  files: { total: number; done: number; unchanged: number; skipped: number; failed: number };
  chunks: { total: number; embedded: number; reused: number };
}

const deps = services();
/** The same deployment while the embedding service does not answer. */
const withoutEmbedder = services({ OPENAI_BASE_URL: "http://127.0.0.1:9/v1", UPSTREAM_RETRIES: "0" });
const withoutChroma = services({ CHROMA_URL: "http://127.0.0.1:9", UPSTREAM_RETRIES: "0" });
const TREE = { "src/a.ts": "export const a = 1;", "src/b.py": "b = 2", "c.md": "# C" };

async function deliver(using: Services, queue: string, body: unknown, attempts = 1) {
  const batch = createMessageBatch(queue, [{ id: "m", timestamp: new Date(), attempts, body }]);
  const context = createExecutionContext();
  await consume(using, batch);
  return getQueueResult(batch, context);
}

async function jobOf({ key }: TestWorkspace, id: string): Promise<JobBody> {
  return (await call("GET", `/v1/jobs/${id}`, { key })).json<JobBody>();
}

const ended = (workspace: TestWorkspace, id: string) =>
  eventually(
    () => jobOf(workspace, id),
    (job) => !["queued", "running"].includes(job.status),
  );

async function accepted(workspace: TestWorkspace, contents: Record<string, string>) {
  const { jobId, files: list } = await acceptFiles(deps, workspace.id, contents);
  const message: IndexingMessage = { kind: "index", workspaceId: workspace.id, jobId, files: list };
  return { jobId, message };
}

async function indexed(contents: Record<string, string> = TREE): Promise<TestWorkspace> {
  const workspace = await newWorkspace();
  const { jobId, message } = await accepted(workspace, contents);
  await deps.queue.send([message]);
  expect((await ended(workspace, jobId)).status).toBe("succeeded");
  return workspace;
}

async function rowOf({ id }: TestWorkspace) {
  const [row] = await deps.db.select().from(workspaces).where(eq(workspaces.id, id));
  if (!row?.collectionId) throw new Error("the workspace has no collection");
  return { ...row, collectionId: row.collectionId };
}

const postIndex = ({ key }: TestWorkspace, body: unknown = {}) => call("POST", "/v1/index", { key, body });

async function started(workspace: TestWorkspace, body: unknown): Promise<JobBody> {
  const response = await postIndex(workspace, body);
  expect(response.status).toBe(202);
  const { job } = await response.json<{ job: JobBody }>();
  expect(response.headers.get("location")).toBe(`/v1/jobs/${job.id}`);
  return ended(workspace, job.id);
}

describe("consuming the queue", () => {
  it("retries while the embedder is away, says so, gives up in the dead-letter queue, and mends by POST /v1/index", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await accepted(workspace, TREE);
    const retried = await deliver(withoutEmbedder, "devflow-indexing", message);
    expect(retried.retryMessages).toMatchObject([{ msgId: "m" }]);
    expect(retried.explicitAcks).toEqual([]);
    expect(await jobOf(workspace, jobId)).toMatchObject({
      status: "running",
      error: "The embedding service is not available right now.",
      files: { done: 0 },
    });

    const dead = await deliver(withoutEmbedder, "devflow-indexing-dead", message);
    expect(dead.explicitAcks).toEqual(["m"]);
    const job = await jobOf(workspace, jobId);
    expect(job).toMatchObject({ status: "failed", error_count: 3, files: { total: 3, done: 3, failed: 3 } });
    const listed = await call("GET", `/v1/jobs/${jobId}/files?status=failed`, { key: workspace.key });
    const { items } = await listed.json<{ items: { reason: string; message: string }[] }>();
    expect(items).toHaveLength(3);
    expect(items[0]?.reason).toBe("upstream_unavailable");
    expect(JSON.stringify(items)).not.toContain("127.0.0.1");

    expect(await started(workspace, {})).toMatchObject({
      status: "succeeded",
      files: { total: 3, failed: 0 },
    });
    expect(await deps.vectors.count((await rowOf(workspace)).collectionId)).toBe(3);
  });

  it("keeps what became of one group of files where another of the message fails", async () => {
    const workspace = await newWorkspace();
    // Pieces of equal text: one embedding. More than a group may have beside others.
    const contents = { "a.txt": "the very same line\n".repeat(5_000), "b.txt": "what cannot be embedded\n" };
    const { jobId, message } = await accepted(workspace, contents);
    const failing: Services = {
      ...deps,
      embedderFor(...asked) {
        const embedder = deps.embedderFor(...asked);
        const { model, dimensions } = embedder;
        return {
          ...{ model, dimensions },
          embed: async (texts, ...more) => {
            if (texts.some((text) => text.includes("cannot be"))) throw new Error("planted");
            return embedder.embed(texts, ...more);
          },
        };
      },
    };
    expect((await deliver(failing, "devflow-indexing", message)).retryMessages).toHaveLength(1);
    expect(await jobOf(workspace, jobId)).toMatchObject({ status: "running", files: { total: 2, done: 1 } });
    expect((await deliver(deps, "devflow-indexing", message)).explicitAcks).toEqual(["m"]);
    expect(await jobOf(workspace, jobId)).toMatchObject({
      status: "succeeded",
      files: { total: 2, done: 2 },
    });
  });

  it("logs failures with the id of the request that the job began with", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await accepted(workspace, TREE);
    await deps.db.update(jobs).set({ requestId: "req_of_the_upload" }).where(eq(jobs.id, jobId));
    const lines: string[] = [];
    const log = createLogger("warning", (_, line) => lines.push(line));
    for (const [queue, attempts] of [
      ["devflow-indexing", 1],
      ["devflow-indexing-dead", 1],
    ] as const) {
      await deliver({ ...withoutEmbedder, log }, queue, message, attempts);
    }
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries.map(({ message }) => message)).toEqual(["a message is retried", "gave up on a message"]);
    for (const entry of entries)
      expect(entry).toMatchObject({ job_id: jobId, request_id: "req_of_the_upload" });
  });

  it("goes on after a delivery that failed between embedding and the vector store", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await accepted(workspace, TREE);
    expect((await deliver(withoutChroma, "devflow-indexing", message)).retryMessages).toHaveLength(1);
    expect((await deliver(deps, "devflow-indexing", message, 2)).explicitAcks).toEqual(["m"]);
    expect(await jobOf(workspace, jobId)).toMatchObject({ status: "succeeded", error: null });
    expect(await deps.workspaceIndex(workspace.id).unsettled(Date.now() + 1000, 10)).toEqual([]);
  });

  it("acknowledges what it cannot read, and jobs that are gone", async () => {
    const workspace = await newWorkspace();
    for (const body of [null, "x", { kind: "nonsense" }, { kind: "index", workspaceId: 1 }]) {
      expect((await deliver(deps, "devflow-indexing", body)).explicitAcks).toEqual(["m"]);
    }
    const gone = { kind: "expand", workspaceId: workspace.id, jobId: "job_gone", afterPath: "" };
    expect((await deliver(deps, "devflow-indexing", gone)).explicitAcks).toEqual(["m"]);
  });

  it("sends a large job's message again, with no retry spent, while the workspace has no place for it; a small job's has room", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await accepted(workspace, TREE);
    const index = deps.workspaceIndex(workspace.id);
    const taken: string[] = [];
    for (;;) {
      const place = await index.acquire({ ...PLACES, small: false });
      if (place === null) break;
      taken.push(place);
    }
    const sent: Parameters<Services["queue"]["send"]>[] = [];
    const using: Services = { ...services(), queue: { send: async (...send) => void sent.push(send) } };

    const large = await deliver(using, "devflow-indexing-bulk", { ...message, bulk: true }, 5);
    expect(large).toMatchObject({ explicitAcks: ["m"], retryMessages: [] });
    expect(sent).toEqual([[[{ ...message, bulk: true }], expect.any(Number)]]);
    expect(await jobOf(workspace, jobId)).toMatchObject({ files: { done: 0, failed: 0 }, error: null });

    const small = await accepted(workspace, { "ten.ts": "export const ten = 10;" });
    expect((await deliver(using, "devflow-indexing", small.message)).explicitAcks).toEqual(["m"]);
    expect((await jobOf(workspace, small.jobId)).status).toBe("succeeded");

    for (const place of taken) await index.release(place);
    await deliver(using, "devflow-indexing-bulk", sent[0]?.[0][0]);
    expect((await jobOf(workspace, jobId)).status).toBe("succeeded");
    expect(sent).toHaveLength(1);
  });

  it("waits longer with each delivery, at most five minutes", () => {
    expect([1, 2, 3, 4, 5, 9].map((attempt) => retryDelaySeconds(attempt, 1, 0))).toEqual([
      5, 15, 45, 135, 300, 300,
    ]);
    expect(retryDelaySeconds(1, 0, 0)).toBe(3);
    expect(retryDelaySeconds(1, 0, 60)).toBe(60);
  });
});

/** Runs SQL in the workspace's index object, past its methods. */
function inIndex({ id }: TestWorkspace, statement: string, ...bindings: string[]) {
  const { WORKSPACE_INDEX } = env as unknown as Env;
  return runInDurableObject(WORKSPACE_INDEX.get(WORKSPACE_INDEX.idFromName(id)), (_instance, state) =>
    state.storage.sql.exec<{ id: string }>(statement, ...bindings).toArray(),
  );
}

/** Blobs that the workspace's rows name, and those that R2 holds; ids of chunks, and of vectors. */
async function derived(workspace: TestWorkspace) {
  const rows = await deps.db.select().from(files).where(eq(files.workspaceId, workspace.id));
  const { objects } = await deps.blobs.list({ prefix: blobKey(workspace.id, "") });
  return {
    named: rows.flatMap(({ blob }) => (blob === null ? [] : [blobKey(workspace.id, blob)])).sort(),
    stored: objects.map(({ key }) => key).sort(),
    chunks: (await inIndex(workspace, "SELECT id FROM chunks ORDER BY id")).map(({ id }) => id),
    vectors: (await deps.vectors.list((await rowOf(workspace)).collectionId, 0, 1000)).sort(),
  };
}

const NUMBERS = Array.from({ length: 384 }, () => 0.05);
const later = (hours: number) => ({ ...services(), now: () => Date.now() + hours * 3_600_000 });

describe("POST /v1/index without force, after a fault", () => {
  it("finds lost vectors and lost chunks, mends them, and says so", async () => {
    const workspace = await indexed({ ...TREE, "d.ts": "export const d = 4;" });
    const before = await derived(workspace);
    const [a, b] = await inIndex(
      workspace,
      "SELECT c.id FROM chunks c JOIN files f ON f.file = c.file WHERE f.path IN ('src/a.ts', 'd.ts') ORDER BY f.path",
    );
    await deps.vectors.delete((await rowOf(workspace)).collectionId, [a?.id ?? ""]);
    await inIndex(workspace, "DELETE FROM chunks WHERE id = ?", b?.id ?? "");

    const job = await started(workspace, { force: false });
    expect(job).toMatchObject({
      status: "succeeded",
      files: { total: 4, unchanged: 2 },
      receipt: { lost_chunks: 1, lost_vectors: 1, orphaned_chunks: 0 },
    });
    const after = await derived(workspace);
    expect(after.vectors).toEqual(after.chunks);
    expect(after.chunks).toHaveLength(before.chunks.length);
    expect(await (await postIndex(workspace)).json()).toEqual({ job: null });
  });

  it("takes away chunks of no file, vectors of no chunk and blobs of no file", async () => {
    const workspace = await indexed();
    const { collectionId } = await rowOf(workspace);
    await deps.vectors.upsert(collectionId, [
      { id: "chk_stranger", vector: NUMBERS, metadata: { language: "text" } },
    ]);
    await deps.db.delete(files).where(and(eq(files.workspaceId, workspace.id), eq(files.path, "c.md")));
    const orphan = blobKey(workspace.id, "orphan");
    await deps.blobs.put(orphan, "nobody's");
    expect((await derived(workspace)).vectors).toHaveLength(4);

    // As an upload may still be under way, what is young is left alone.
    const response = await postIndex(workspace);
    const { job } = await response.json<{ job: JobBody }>();
    const done = await ended(workspace, job.id);
    expect(done).toMatchObject({
      status: "succeeded",
      receipt: { orphaned_chunks: 1, orphaned_vectors: 1, orphaned_blobs: 0 },
    });
    const mended = await derived(workspace);
    expect(mended.vectors).toEqual(mended.chunks);
    expect(mended.chunks).toHaveLength(2);

    const started = await startIndex(later(7), {
      workspaceId: workspace.id,
      keyId: null,
      requestId: null,
      spec: { path: ".", recursive: true },
    });
    // The consumer of the Worker under test lives in the present: here it is carried out seven hours later.
    const jobId = started?.id ?? "";
    await sweepJob(later(7), {
      kind: "sweep",
      workspaceId: workspace.id,
      jobId,
      step: "blobs",
      after: "",
    });
    expect((await ended(workspace, jobId)).status).toBe("succeeded");
    await finishDeletions(later(14));
    const swept = await derived(workspace);
    expect(swept.stored).toEqual(swept.named);
  });

  it("tells of a file whose content is gone", async () => {
    const workspace = await indexed();
    const [row] = await deps.db
      .select()
      .from(files)
      .where(and(eq(files.workspaceId, workspace.id), eq(files.path, "c.md")));
    await deps.blobs.delete(blobKey(workspace.id, row?.blob ?? ""));
    const job = await started(workspace, {});
    expect(job).toMatchObject({ status: "failed", files: { failed: 1 }, receipt: { lost_contents: 1 } });
    const listed = await call("GET", `/v1/jobs/${job.id}/files?status=failed`, { key: workspace.key });
    expect(await listed.json()).toMatchObject({ items: [{ path: "c.md", reason: "content_missing" }] });
  });

  it("leaves alone what another writer has promised, and what comes while it looks", async () => {
    const workspace = await indexed();
    const { collectionId } = await rowOf(workspace);
    const index = deps.workspaceIndex(workspace.id);
    const chunk = { embedHash: "1".repeat(64) };
    const [plan] = await index.plan([{ path: "late.ts", generation: 9_999, chunks: [chunk] }]);
    const id = plan?.outcome === "write" ? (plan.chunks[0]?.id ?? "") : "";
    await deps.vectors.upsert(collectionId, [{ id, vector: NUMBERS, metadata: { language: "text" } }]);
    await started(workspace, {});
    expect([...(await deps.vectors.existing(collectionId, [id]))]).toEqual([id]);
  });
});

describe("POST /v1/index", () => {
  it("answers 200 with no job where nothing is left to do", async () => {
    const workspace = await indexed();
    const response = await postIndex(workspace);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ job: null });
    expect((await postIndex(await newWorkspace(), { force: true })).status).toBe(200);
    expect((await call("POST", "/v1/index", { key: workspace.key })).status).toBe(200);
  });

  it("with force, brings back vectors that went missing, and reads the files that are selected", async () => {
    const workspace = await indexed({
      ...TREE,
      "src/deep/d.ts": "export const d = 4;",
      "big.ts": "x;".repeat(500),
    });
    const { collectionId } = await rowOf(workspace);
    const ids = await deps.vectors.list(collectionId, 0, 100);
    await deps.vectors.delete(collectionId, ids.slice(0, 2));
    const all = await started(workspace, { force: true });
    expect(all).toMatchObject({ status: "succeeded", chunks: { embedded: 2 }, files: { total: 5, done: 5 } });
    expect(await deps.vectors.count(collectionId)).toBe(ids.length);

    const some = await started(workspace, {
      path: "src",
      force: true,
      extensions: [".TS"],
      exclude_patterns: ["**/deep/**"],
    });
    expect(some).toMatchObject({
      status: "succeeded",
      files: { total: 1 },
      chunks: { reused: 1, embedded: 0 },
    });
    expect((await started(workspace, { force: true, recursive: false })).files.total).toBe(2);
    const small = await started(workspace, { force: true, max_file_size: 100 });
    expect(small.files).toMatchObject({ total: 5, skipped: 1 });
    const listed = await call("GET", `/v1/jobs/${small.id}/files?status=skipped`, { key: workspace.key });
    expect(await listed.json()).toMatchObject({ items: [{ path: "big.ts", reason: "too_large" }] });
    // The file is still indexed: it was left out of this job only.
    const [big] = await deps.db.select().from(files).where(eq(files.path, "big.ts"));
    expect(big?.status).toBe("indexed");
  });

  it("names the way out of another model's vectors, and moves to a new collection with force", async () => {
    const workspace = await indexed();
    const old = { model: "old-model", dimensions: 3 };
    const name = await collectionName(workspace.id, old);
    const collectionId = await deps.vectors.openCollection(name, old);
    await deps.db
      .update(workspaces)
      .set({ embeddingModel: old.model, embeddingDimensions: old.dimensions, collectionId })
      .where(eq(workspaces.id, workspace.id));
    const { jobId, message } = await accepted(workspace, { "new.ts": "export const n = 1;" });
    await deps.queue.send([message]);
    expect(await ended(workspace, jobId)).toMatchObject({ status: "failed", error_count: 1 });
    for (const body of [{}, { force: true, path: "src" }, { force: true, extensions: ["ts"] }]) {
      const refused = await postIndex(workspace, body);
      expect(refused.status).toBe(409);
      const problem = await refused.json<{ code: string; detail: string }>();
      expect(problem.code).toBe("embedding_mismatch");
      expect(problem.detail).toContain('{"force": true}');
    }

    expect(await started(workspace, { force: true })).toMatchObject({
      status: "succeeded",
      files: { total: 4 },
    });
    const row = await rowOf(workspace);
    expect([row.embeddingModel, row.embeddingDimensions]).toEqual(["all-MiniLM-L6-v2", 384]);
    expect(await deps.vectors.count(row.collectionId)).toBe(4);
    expect(await deps.vectors.findCollection(name)).toBeNull();
  });

  describe("a move to another embedding model", () => {
    const previous = { model: "all-MiniLM-L6-v2-reversed", dimensions: 384 };
    const current = { model: "all-MiniLM-L6-v2", dimensions: 384 };
    const SUBJECTS: Record<string, string> = {
      "retry.ts": "export function retryWithBackoff(attempt: number) { return wait(2 ** attempt * 100); }",
      "mean.py": "def arithmetic_mean(values):\n    return sum(values) / len(values)",
      "pool.go":
        "package pool\n// Acquire takes a connection from the pool\nfunc (p *Pool) Acquire() *Conn { return <-p.free }",
    };
    const QUERIES: [query: string, path: string][] = [
      ["try again after waiting longer each time", "retry.ts"],
      ["average of numbers", "mean.py"],
      ["take a database connection", "pool.go"],
    ];

    /** Indexed by the previous model, as before the settings changed. */
    async function indexedBefore(contents: Record<string, string>) {
      const workspace = await newWorkspace();
      const collectionId = await deps.vectors.openCollection(
        await collectionName(workspace.id, previous),
        previous,
      );
      await deps.db
        .update(workspaces)
        .set({ embeddingModel: previous.model, embeddingDimensions: previous.dimensions, collectionId })
        .where(eq(workspaces.id, workspace.id));
      const { jobId, message } = await accepted(workspace, contents);
      await deps.queue.send([message]);
      expect((await ended(workspace, jobId)).status).toBe("succeeded");
      return { workspace, collectionId };
    }

    async function finds(workspace: TestWorkspace, mode: string, [query, path]: [string, string]) {
      const response = await call("POST", "/v1/search", {
        key: workspace.key,
        body: { query, mode, limit: 3 },
      });
      expect(response.status).toBe(200);
      const answer = await response.json<{ results: { path: string }[]; degraded?: string[] }>();
      expect(answer.degraded).toBeUndefined();
      expect(answer.results[0]?.path).toBe(path);
    }

    it("goes on beside searches, uploads and deletions, and misses none of them", {
      timeout: 60_000,
    }, async () => {
      const filler = Object.fromEntries(
        Array.from({ length: 60 }, (_, i) => [
          `filler/f${i}.md`,
          `# Chapter ${i}\n\nThe harvest of year ${i}.`,
        ]),
      );
      const { workspace, collectionId } = await indexedBefore({ ...SUBJECTS, ...filler });
      for (const query of QUERIES) await finds(workspace, "semantic", query);
      expect((await postIndex(workspace)).status).toBe(200);

      const begun = await (await postIndex(workspace, { force: true })).json<{ job: JobBody }>();
      const again = await (await postIndex(workspace, { force: true })).json<{ job: JobBody }>();
      expect(again.job.id).toBe(begun.job.id);
      expect((await rowOf(workspace)).collectionId).toBe(collectionId);
      let searches = 0;
      let moving = true;
      const searching = (async () => {
        for (; moving || searches < 12; searches++) {
          const query = QUERIES[searches % QUERIES.length] as [string, string];
          await finds(workspace, searches % 2 === 0 ? "semantic" : "hybrid", query);
        }
      })();
      const { jobId, message } = await accepted(workspace, {
        "new.md": "# The lighthouse\n\nA beacon for ships at night.",
        "filler/f1.md": "# Chapter 1\n\nThe harvest of year 1.\n\n# More\n\nA second one.",
      });
      await deps.queue.send([message]);
      const deleted = await call("POST", "/v1/files/delete", {
        key: workspace.key,
        body: { path: "filler/f2.md" },
      });
      expect(deleted.status).toBe(200);
      expect((await ended(workspace, jobId)).status).toBe("succeeded");
      expect(await ended(workspace, begun.job.id)).toMatchObject({ status: "succeeded" });
      moving = false;
      await searching;

      const row = await rowOf(workspace);
      expect([row.embeddingModel, row.nextCollection]).toEqual([current.model, null]);
      expect(row.collectionId).not.toBe(collectionId);
      const { chunks } = await deps.workspaceIndex(workspace.id).stats();
      expect(await deps.vectors.count(row.collectionId)).toBe(chunks);
      const all: [string, string][] = [...QUERIES, ["beacon for ships", "new.md"]];
      for (const query of all) await finds(workspace, "semantic", query);

      // The one that was left is kept for those who read the row before.
      await moveModels(services());
      expect(await deps.vectors.count(collectionId)).toBeGreaterThan(0);
      await moveModels({ ...services(), now: () => Date.now() + 21 * 60_000 });
      expect(await deps.vectors.findCollection(await collectionName(workspace.id, previous))).toBeNull();
      expect(await deps.vectors.count(row.collectionId)).toBe(chunks);
    });

    it("is begun by the cron for every workspace, one without chunks included", async () => {
      const { workspace } = await indexedBefore(SUBJECTS);
      const { workspace: empty } = await indexedBefore({ "blank.txt": " " });
      await deps.db.update(files).set({ blob: null }).where(eq(files.workspaceId, empty.id));
      await moveModels(services());
      const row = await eventually(
        () => rowOf(workspace),
        ({ embeddingModel }) => embeddingModel === current.model,
      );
      expect(await deps.vectors.count(row.collectionId)).toBe(
        (await deps.workspaceIndex(workspace.id).stats()).chunks,
      );
      const [dropped] = await deps.db.select().from(workspaces).where(eq(workspaces.id, empty.id));
      expect(dropped).toMatchObject({ embeddingModel: null, collectionId: null });
    });

    it("is given up, not switched to half full, where the settings go back meanwhile", async () => {
      const { workspace, collectionId } = await indexedBefore(SUBJECTS);
      const next = { ...current, collectionId: "gone", jobId: "job_none" };
      await deps.db.update(workspaces).set({ nextCollection: next }).where(eq(workspaces.id, workspace.id));
      const back = services({ EMBEDDING_MODEL: previous.model, EMBEDDING_MODEL_PREVIOUS: "" });
      const { jobId, message } = await accepted(workspace, { "more.md": "# More" });
      await deliver(back, "indexing", message);
      expect(await jobOf(workspace, jobId)).toMatchObject({ status: "succeeded" });
      expect(await rowOf(workspace)).toMatchObject({ collectionId, nextCollection: null });
    });
  });

  it("makes a lost collection again, and indexes everything into it", { timeout: 60_000 }, async () => {
    const workspace = await indexed();
    const before = await rowOf(workspace);
    await deps.vectors.deleteCollection(
      await collectionName(workspace.id, { model: "all-MiniLM-L6-v2", dimensions: 384 }),
    );
    const { message } = await accepted(workspace, { "d.ts": "export const d = 4;" });
    await deps.queue.send([message]);
    const jobs = await eventually(
      async () => {
        const listed = await call("GET", "/v1/jobs?limit=100", { key: workspace.key });
        return (await listed.json<{ items: JobBody[] }>()).items;
      },
      (items) => items.length === 3 && items.every(({ status }) => status === "succeeded"),
    );
    expect(jobs.map(({ kind, status }) => [kind, status]).sort()).toEqual([
      ["index", "succeeded"],
      ["upload", "succeeded"],
      ["upload", "succeeded"],
    ]);
    const after = await rowOf(workspace);
    expect(after.collectionId).not.toBe(before.collectionId);
    expect(await deps.vectors.count(after.collectionId)).toBe(4);
  });

  it("refuses what it does not know, and an eleventh job under way", async () => {
    const workspace = await indexed();
    const code = async (body: unknown) => {
      const response = await postIndex(workspace, body);
      return [response.status, (await response.json<{ code: string }>()).code];
    };
    expect(await code({ nonsense: 1 })).toEqual([400, "invalid_request"]);
    expect(await code({ path: "../x" })).toEqual([400, "invalid_path"]);
    expect(await code({ exclude_patterns: ["[a"] })).toEqual([400, "unsupported_pattern"]);
    expect(await code({ extensions: ["a/b"] })).toEqual([400, "invalid_request"]);
    expect(await code({ max_file_size: 0 })).toEqual([400, "invalid_request"]);
    for (let i = 0; i < 10; i++) await acceptFiles(deps, workspace.id, { "a.ts": `let a = ${i};` });
    expect(await code({ force: true })).toEqual([403, "quota_exceeded"]);
  });
});

describe("GET /v1/jobs", () => {
  it("keeps the counts of a job that is over in its row, whatever is delivered afterwards", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await accepted(workspace, TREE);
    const [open] = await deps.db.select().from(jobs).where(eq(jobs.id, jobId));
    expect(open?.counts).toBeNull();
    expect(await jobOf(workspace, jobId)).toMatchObject({ files: { total: 3, done: 0 } });
    await deps.queue.send([message]);
    const job = await ended(workspace, jobId);
    await deliver(deps, "devflow-indexing", message, 2);
    expect(await jobOf(workspace, jobId)).toEqual(job);
    const [over] = await deps.db.select().from(jobs).where(eq(jobs.id, jobId));
    expect(over?.counts).toMatchObject([{ status: "indexed", files: 3, chunks: 3, embedded: 3 }]);
    // Nothing is added up any more.
    await deps.db.delete(jobFiles).where(eq(jobFiles.jobId, jobId));
    expect(await jobOf(workspace, jobId)).toEqual(job);
    const listed = await call("GET", "/v1/jobs", { key: workspace.key });
    expect(await listed.json()).toMatchObject({ items: [job] });
  });

  it("pages through jobs and their files, newest first and by path", async () => {
    const workspace = await indexed();
    await started(workspace, { force: true });
    const get = (path: string, key = workspace.key) => call("GET", path, { key });
    const first = await (await get("/v1/jobs?limit=1")).json<{ items: JobBody[]; next_cursor: string }>();
    const second = await (
      await get(`/v1/jobs?limit=1&cursor=${encodeURIComponent(first.next_cursor)}`)
    ).json<{ items: JobBody[]; next_cursor: string | null }>();
    expect(second.items).toHaveLength(1);
    expect(second.items[0]?.id).not.toBe(first.items[0]?.id);
    expect(second.next_cursor).toBeNull();

    const id = first.items[0]?.id;
    const paths: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: { items: { path: string }[]; next_cursor: string | null } = await (
        await get(`/v1/jobs/${id}/files?limit=2${query}`)
      ).json();
      paths.push(...page.items.map(({ path }) => path));
      cursor = page.next_cursor;
    }
    expect(paths).toEqual(["c.md", "src/a.ts", "src/b.py"]);

    expect((await get(`/v1/jobs/${id}/files?cursor=${first.next_cursor}`)).status).toBe(400);
    expect((await get("/v1/jobs?cursor=made-up")).status).toBe(400);
    expect((await get("/v1/jobs?limit=0")).status).toBe(400);
    expect((await get("/v1/jobs?limit=101")).status).toBe(400);
    expect((await get(`/v1/jobs/${id}/files?status=odd`)).status).toBe(400);

    const other = await newWorkspace();
    expect((await get(`/v1/jobs/${id}`, other.key)).status).toBe(404);
    expect((await get(`/v1/jobs/${id}/files`, other.key)).status).toBe(404);
    expect((await get(`/v1/jobs?cursor=${encodeURIComponent(first.next_cursor)}`, other.key)).status).toBe(
      400,
    );
    expect(await (await get("/v1/jobs", other.key)).json()).toEqual({ items: [], next_cursor: null });
    expect((await call("GET", "/v1/jobs")).status).toBe(401);
  });
});
