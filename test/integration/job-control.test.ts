import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { IndexingMessage } from "../../src/core/ports.ts";
import { blobGarbage, files, jobs } from "../../src/db/schema.ts";
import { failMessage } from "../../src/indexing/fail-files.ts";
import { call, newWorkspace, type TestWorkspace } from "../support/api.ts";
import { tarGz } from "../support/archives.ts";
import { acceptFiles, services } from "../support/indexing.ts";
import { finishedJob, jobFilesOf, type TestJob } from "../support/jobs.ts";
import { newKey, problemOf } from "../support/keys.ts";

const deps = services();
const TREE = { "a.ts": "export const a = 1;", "b/c.py": "c = 2", "d.md": "# D" };

const post = ({ key }: TestWorkspace, id: string, what: "cancel" | "retry") =>
  call("POST", `/v1/jobs/${id}/${what}`, { key });

/** A job whose messages were never sent. */
async function waiting(workspace: TestWorkspace, contents: Record<string, string> = TREE) {
  const { jobId, files: list } = await acceptFiles(deps, workspace.id, contents);
  const message: IndexingMessage = { kind: "index", workspaceId: workspace.id, jobId, files: list };
  return { jobId, message };
}

async function failed(workspace: TestWorkspace): Promise<string> {
  const { jobId, message } = await waiting(workspace);
  const some = {
    ...message,
    files: message.kind === "index" ? message.files.slice(0, 2) : [],
  } as IndexingMessage;
  const rest = {
    ...message,
    files: message.kind === "index" ? message.files.slice(2) : [],
  } as IndexingMessage;
  await failMessage(deps, some, "upstream_unavailable", "It was away.");
  await deps.queue.send([rest]);
  await finishedJob(workspace.key, jobId);
  return jobId;
}

describe("POST /v1/jobs/{id}/cancel", () => {
  it("ends the job, leaves its files to be indexed, and lets its messages do nothing more", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await waiting(workspace);
    const response = await post(workspace, jobId, "cancel");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      id: jobId,
      status: "cancelled",
      files: { total: 3, done: 0 },
      finished_at: expect.any(String),
    });
    await deps.queue.send([message]);
    expect((await post(workspace, jobId, "cancel")).status).toBe(200);
    const rows = await deps.db.select().from(files).where(eq(files.workspaceId, workspace.id));
    expect(rows.map(({ status }) => status)).toEqual(["pending", "pending", "pending"]);

    const mended = await call("POST", "/v1/index", { key: workspace.key, body: {} });
    const { job } = await mended.json<{ job: TestJob }>();
    expect(await finishedJob(workspace.key, job.id)).toMatchObject({
      status: "succeeded",
      files: { done: 3 },
    });
    expect(await (await call("GET", `/v1/jobs/${jobId}`, { key: workspace.key })).json()).toMatchObject({
      status: "cancelled",
      files: { done: 0 },
    });
  });

  it("is a conflict for a job that is over, and 404 for another workspace's", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await waiting(workspace);
    await deps.queue.send([message]);
    await finishedJob(workspace.key, jobId);
    expect(await problemOf(await post(workspace, jobId, "cancel"))).toEqual([409, "conflict"]);
    for (const what of ["cancel", "retry"] as const) {
      expect((await post(await newWorkspace(), jobId, what)).status).toBe(404);
      expect((await post(workspace, "job_none", what)).status).toBe(404);
      const { key } = await newKey(workspace.key, { scopes: ["search"] });
      expect((await post({ ...workspace, key }, jobId, what)).status).toBe(403);
    }
  });

  it("forgets an archive that nobody will unpack, unless it is taken up again", async () => {
    const workspace = await newWorkspace();
    const { jobId } = await waiting(workspace, {});
    const spool = `ws/${workspace.id}/spool/test`;
    await deps.blobs.put(spool, await tarGz([["x.ts", "let x = 1;"]]));
    await deps.db
      .update(jobs)
      .set({ kind: "archive", expanded: false, spec: { spool, archive: "tar.gz" } })
      .where(eq(jobs.id, jobId));
    await post(workspace, jobId, "cancel");
    const noted = () => deps.db.select().from(blobGarbage).where(eq(blobGarbage.key, spool));
    expect(await noted()).toHaveLength(1);
    expect((await post(workspace, jobId, "retry")).status).toBe(202);
    expect(await finishedJob(workspace.key, jobId)).toMatchObject({
      status: "succeeded",
      files: { done: 1 },
    });
    expect(await noted()).toEqual([]);
    expect(await deps.blobs.head(spool)).toBeNull();
  });
});

describe("POST /v1/jobs/{id}/retry", () => {
  it("takes up only what failed", async () => {
    const workspace = await newWorkspace();
    const jobId = await failed(workspace);
    const before = await jobFilesOf(workspace.key, jobId);
    expect(before.map(({ status }) => status)).toEqual(["failed", "failed", "indexed"]);
    const response = await post(workspace, jobId, "retry");
    expect(response.status).toBe(202);
    expect(response.headers.get("location")).toBe(`/v1/jobs/${jobId}`);
    expect(await response.json()).toMatchObject({
      id: jobId,
      files: { total: 3, failed: 0 },
      finished_at: null,
    });
    expect(await finishedJob(workspace.key, jobId)).toMatchObject({
      status: "succeeded",
      error: null,
      files: { total: 3, done: 3, failed: 0 },
      chunks: { embedded: 3 },
    });
    expect(await problemOf(await post(workspace, jobId, "retry"))).toEqual([409, "conflict"]);
  });

  it("leaves a file alone that was replaced after it failed", async () => {
    const workspace = await newWorkspace();
    const jobId = await failed(workspace);
    const { jobId: newer, message } = await waiting(workspace, { "a.ts": "export const a = 2;" });
    await deps.queue.send([message]);
    await finishedJob(workspace.key, newer);
    await post(workspace, jobId, "retry");
    await finishedJob(workspace.key, jobId);
    expect(await jobFilesOf(workspace.key, jobId)).toMatchObject([
      { path: "a.ts", status: "skipped", reason: "superseded" },
      { path: "b/c.py", status: "indexed" },
      { path: "d.md", status: "indexed" },
    ]);
  });

  it("goes on with what was cancelled, and finds again what an index job had not found", async () => {
    const workspace = await newWorkspace();
    const { jobId } = await waiting(workspace);
    await post(workspace, jobId, "cancel");
    expect((await post(workspace, jobId, "retry")).status).toBe(202);
    expect(await finishedJob(workspace.key, jobId)).toMatchObject({
      status: "succeeded",
      files: { done: 3 },
    });

    const { jobId: lost } = await waiting(workspace, {});
    await deps.db
      .update(jobs)
      .set({ kind: "index", expanded: false, spec: { path: ".", force: true, generation: 100 } })
      .where(eq(jobs.id, lost));
    expect(await (await post(workspace, lost, "cancel")).json()).toMatchObject({ files: { total: 0 } });
    expect((await post(workspace, lost, "retry")).status).toBe(202);
    expect(await finishedJob(workspace.key, lost)).toMatchObject({ status: "succeeded", files: { done: 3 } });
  });

  it("is refused while the workspace has its ten jobs under way, and while the job is", async () => {
    const workspace = await newWorkspace();
    const jobId = await failed(workspace);
    let open = "";
    for (let i = 0; i < 10; i++) open = (await waiting(workspace, { "z.ts": `let z = ${i};` })).jobId;
    expect(await problemOf(await post(workspace, open, "retry"))).toEqual([409, "conflict"]);
    expect(await problemOf(await post(workspace, jobId, "retry"))).toEqual([403, "quota_exceeded"]);
    expect(await jobFilesOf(workspace.key, jobId)).toMatchObject([{ status: "failed" }, {}, {}]);
  });
});

interface Event {
  event: string;
  id: string;
  data: TestJob;
}

function parse(text: string): Event[] {
  return text
    .split("\n\n")
    .filter((block) => block.startsWith("event: "))
    .map((block) => {
      const [name = "", id = "", data = ""] = block
        .split("\n")
        .map((line) => line.slice(line.indexOf(": ") + 2));
      return { event: name, id, data: JSON.parse(data) as TestJob };
    });
}

describe("GET /v1/jobs/{id}/events", () => {
  it("tells the state at once, then each change, then done, and ends", async () => {
    const workspace = await newWorkspace();
    const { jobId, message } = await waiting(workspace);
    const response = await call("GET", `/v1/jobs/${jobId}/events`, { key: workspace.key });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store");
    await deps.queue.send([message]);
    const events = parse(await response.text());
    expect(events[0]).toMatchObject({
      event: "progress",
      data: { id: jobId, status: "queued", files: { done: 0 } },
    });
    expect(events.at(-2)).toMatchObject({ event: "progress", data: { status: "succeeded" } });
    expect(events.at(-1)).toMatchObject({ event: "done", data: { status: "succeeded", files: { done: 3 } } });
    expect(events.every(({ id }) => /^\d+(-done)?$/.test(id))).toBe(true);

    // Whoever comes back begins at the present state.
    const again = await call("GET", `/v1/jobs/${jobId}/events`, {
      key: workspace.key,
      headers: { "last-event-id": events[0]?.id ?? "" },
    });
    expect(parse(await again.text()).map(({ event }) => event)).toEqual(["progress", "done"]);
  });

  it("fails before the stream as an ordinary problem", async () => {
    const workspace = await newWorkspace();
    const { jobId } = await waiting(workspace);
    const other = await call("GET", `/v1/jobs/${jobId}/events`, { key: (await newWorkspace()).key });
    expect(await problemOf(other)).toEqual([404, "not_found"]);
    expect(other.headers.get("content-type")).toBe("application/problem+json");
    expect((await call("GET", `/v1/jobs/${jobId}/events`)).status).toBe(401);
    const head = await call("HEAD", `/v1/jobs/${jobId}/events`, { key: workspace.key });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("ends with the credential", async () => {
    const workspace = await newWorkspace();
    const { jobId } = await waiting(workspace);
    const { key } = await newKey(workspace.key, {
      scopes: ["search"],
      expires_at: new Date(Date.now() + 1_500).toISOString(),
    });
    const start = Date.now();
    const response = await call("GET", `/v1/jobs/${jobId}/events`, { key });
    expect(parse(await response.text()).map(({ event }) => event)).toEqual(["progress"]);
    expect(Date.now() - start).toBeLessThan(5_000);
  });
});
