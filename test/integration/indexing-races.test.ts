import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { IndexingMessage } from "../../src/core/ports.ts";
import { blobKey } from "../../src/db/blob-garbage.ts";
import { workspaces } from "../../src/db/schema.ts";
import { finishDeletions, GARBAGE_AFTER_MS } from "../../src/files/finish-deletions.ts";
import { consume } from "../../src/queue.ts";
import type { Services } from "../../src/services.ts";
import { call, newWorkspace, type TestWorkspace } from "../support/api.ts";
import { acceptFiles, eventually, services } from "../support/indexing.ts";
import { finishedJob, jobFilesOf, storedPaths, type TestJob } from "../support/jobs.ts";

const deps = services();
const OLD = "export function zebrawaltz() {\n  return 1;\n}\n";
const SUPERSEDED = { path: "a.ts", status: "skipped", reason: "superseded" };
const NEW = "export function quincetango() {\n  return 2;\n}\n";

/** A consumer in which something else happens once, after the index was asked and before any vector is written. */
function consumerWith(meanwhile: () => Promise<void>): Services {
  let happened = false;
  return {
    ...services(),
    embedderFor(...given) {
      const embedder = deps.embedderFor(...given);
      return {
        model: embedder.model,
        dimensions: embedder.dimensions,
        async embed(texts, signal) {
          if (!happened) await meanwhile();
          happened = true;
          return embedder.embed(texts, signal);
        },
      };
    },
  };
}

async function deliver(using: Services, message: IndexingMessage): Promise<void> {
  const batch = createMessageBatch("devflow-indexing", [
    { id: "m", timestamp: new Date(), attempts: 1, body: message },
  ]);
  const context = createExecutionContext();
  await consume(using, batch);
  expect((await getQueueResult(batch, context)).explicitAcks).toEqual(["m"]);
}

/** An upload of `a.ts` whose message is ours to deliver. */
async function accepted({ id }: TestWorkspace, content = OLD) {
  const { jobId, files } = await acceptFiles(deps, id, { "a.ts": content });
  return { jobId, message: { kind: "index", workspaceId: id, jobId, files } as const };
}

const put = ({ key }: TestWorkspace, raw: string) => call("PUT", "/v1/files?path=a.ts", { key, raw });

async function foundBy({ key }: TestWorkspace, query: string): Promise<string[]> {
  const response = await call("POST", "/v1/search", { key, body: { query, mode: "lexical" } });
  return (await response.json<{ results: { text: string }[] }>()).results.map(({ text }) => text);
}

async function storedFiles({ key }: TestWorkspace): Promise<{ path: string; status: string }[]> {
  const response = await call("GET", "/v1/files", { key });
  return (await response.json<{ items: { path: string; status: string }[] }>()).items;
}

async function expectOnlyTheNewer(workspace: TestWorkspace): Promise<void> {
  expect(await storedFiles(workspace)).toMatchObject([{ path: "a.ts", status: "indexed" }]);
  expect(await foundBy(workspace, "zebrawaltz")).toEqual([]);
  expect((await foundBy(workspace, "quincetango")).join()).toContain("quincetango");
}

/** What each store holds of the workspace, once the cron has deleted what was replaced. */
async function heldOf({ id }: TestWorkspace) {
  await finishDeletions({ ...services(), now: () => Date.now() + GARBAGE_AFTER_MS + 1000 });
  const [row] = await deps.db.select().from(workspaces).where(eq(workspaces.id, id));
  const { objects } = await env.BLOBS.list({ prefix: blobKey(id, "") });
  const { files, chunks } = await deps.workspaceIndex(id).stats();
  const collectionId = row?.collectionId ?? null;
  const vectors = collectionId === null ? 0 : await deps.vectors.count(collectionId);
  return { blobs: objects.length, files, chunks, vectors };
}

describe("a file that changes while it is indexed", () => {
  it("is superseded where the newer upload comes to its end first", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await accepted(workspace);
    const using = consumerWith(async () => {
      const { job } = await (await put(workspace, NEW)).json<{ job: TestJob }>();
      expect((await finishedJob(workspace.key, job.id)).status).toBe("succeeded");
    });
    await deliver(using, message);
    const [file] = await jobFilesOf(workspace.key, jobId);
    expect(file).toMatchObject(SUPERSEDED);
    const content = await call("GET", "/v1/files/content?path=a.ts", { key: workspace.key });
    expect(await content.text()).toBe(NEW);
    await expectOnlyTheNewer(workspace);
    await eventually(
      () => heldOf(workspace),
      ({ vectors }) => vectors === 1,
    );
    expect(await heldOf(workspace)).toEqual({ blobs: 1, files: 1, chunks: 1, vectors: 1 });
  });

  it("is superseded where work on the newer upload has begun", async () => {
    const workspace = await newWorkspace();
    const older = await accepted(workspace);
    const newer: { jobId: string; ended: Promise<void> }[] = [];
    const held = Promise.withResolvers<void>();
    const slowly = consumerWith(async () => {
      const { jobId, message } = await accepted(workspace, NEW);
      const begun = Promise.withResolvers<void>();
      const holding = consumerWith(() => {
        begun.resolve();
        return held.promise;
      });
      newer.push({ jobId, ended: deliver(holding, message) });
      await begun.promise;
    });
    await deliver(slowly, older.message);
    expect((await jobFilesOf(workspace.key, older.jobId))[0]).toMatchObject(SUPERSEDED);
    held.resolve();
    for (const { jobId, ended } of newer) {
      await ended;
      expect((await jobFilesOf(workspace.key, jobId))[0]).toMatchObject({ path: "a.ts", status: "indexed" });
    }
    expect(newer).toHaveLength(1);
    await expectOnlyTheNewer(workspace);
    expect(await heldOf(workspace)).toMatchObject({ files: 1, chunks: 1, vectors: 1 });
  });

  it("is indexed until the newer upload is, where that was only accepted", async () => {
    const workspace = await newWorkspace();
    const older = await accepted(workspace);
    const newer: Awaited<ReturnType<typeof accepted>>[] = [];
    const using = consumerWith(async () => {
      newer.push(await accepted(workspace, NEW));
    });
    await deliver(using, older.message);
    expect((await jobFilesOf(workspace.key, older.jobId))[0]).toMatchObject({
      path: "a.ts",
      status: "indexed",
    });
    const [waiting] = await storedFiles(workspace);
    expect(waiting).toMatchObject({ path: "a.ts", status: "pending" });
    expect(await foundBy(workspace, "zebrawaltz")).toHaveLength(1);
    for (const { message } of newer) await deliver(deps, message);
    expect(newer).toHaveLength(1);
    await expectOnlyTheNewer(workspace);
    expect(await heldOf(workspace)).toMatchObject({ files: 1, chunks: 1, vectors: 1 });
  });

  it("of ten uploads at once the last accepted is what every store holds", async () => {
    const workspace = await newWorkspace();
    const words = Array.from({ length: 10 }, (_, i) => `${"abcdefghij"[i]}wombat`.repeat(2));
    const texts = words.map((word) => `export const ${word} = 1;\n`);
    const answers = await Promise.all(texts.map((text) => put(workspace, text)));
    const jobs = await Promise.all(answers.map((answer) => answer.json<{ job: TestJob }>()));
    for (const { job } of jobs) await finishedJob(workspace.key, job.id);
    const content = await call("GET", "/v1/files/content?path=a.ts", { key: workspace.key });
    const last = await content.text();
    expect(texts).toContain(last);
    for (const [i, word] of words.entries()) {
      expect(await foundBy(workspace, word)).toHaveLength(texts[i] === last ? 1 : 0);
    }
    expect(await heldOf(workspace)).toEqual({ blobs: 1, files: 1, chunks: 1, vectors: 1 });
  });
});

describe("a file that is deleted while it is indexed", () => {
  it.each([
    ["by itself", { path: "a.ts" }],
    ["with everything", { all: true }],
  ])("does not come back, deleted %s", async (_, target) => {
    const workspace = await newWorkspace();
    const { key, id } = workspace;
    const { jobId, message } = await accepted(workspace);
    const using = consumerWith(async () => {
      const confirm = "all" in target ? { confirm: id } : {};
      const answer = await call("POST", "/v1/files/delete", { key, body: { ...target, ...confirm } });
      expect(answer.status, await answer.clone().text()).toBe(200);
    });
    await deliver(using, message);
    // Delivered once more, as a queue may.
    await deliver(deps, message);
    const [file] = await jobFilesOf(key, jobId);
    expect(file).toMatchObject(SUPERSEDED);
    expect(await storedPaths(key)).toEqual([]);
    expect(await foundBy(workspace, "zebrawaltz")).toEqual([]);
    expect(await heldOf(workspace)).toMatchObject({ blobs: 0, files: 0, chunks: 0, vectors: 0 });
  });
});
