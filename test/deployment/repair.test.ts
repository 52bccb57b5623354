import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { workspaces } from "../../src/db/schema.ts";
import { resumeStalledJobs, settleVectors } from "../../src/indexing/repair.ts";
import { runScheduled } from "../../src/scheduled.ts";
import { call, newWorkspace } from "../support/api.ts";
import { acceptFiles, services } from "../support/indexing.ts";
import { finishedJob, type TestJob } from "../support/jobs.ts";

const deps = services();
const TREE = { "src/a.ts": "export const a = 1;", "src/b.py": "b = 2", "c.md": "# C" };

/** Repair looks at all workspaces: beside other tests it would take up what they hold back. */
describe("repair", () => {
  it("sends the messages of a stalled job again", async () => {
    const { id, key } = await newWorkspace();
    const { jobId } = await acceptFiles(deps, id, TREE);
    expect(await resumeStalledJobs({ ...services(), now: () => Date.now() + 11 * 60_000 })).toBe(1);
    expect(await finishedJob(key, jobId)).toMatchObject({ status: "succeeded", files: { done: 3 } });
  });

  it("takes up at once, when the local stack starts, what it had cut off", async () => {
    const { id, key } = await newWorkspace();
    const { jobId } = await acceptFiles(deps, id, TREE);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await runScheduled(services(), "*/5 * * * *");
    expect((await (await call("GET", `/v1/jobs/${jobId}`, { key })).json<TestJob>()).status).toBe("queued");
    await runScheduled(services(), "@start");
    expect(await finishedJob(key, jobId)).toMatchObject({ status: "succeeded", files: { done: 3 } });
  });

  it("deletes vectors that a crash left behind", async () => {
    const { id, key } = await newWorkspace();
    const { jobId, files } = await acceptFiles(deps, id, TREE);
    await deps.queue.send([{ kind: "index", workspaceId: id, jobId, files }]);
    await finishedJob(key, jobId);
    const [row] = await deps.db.select().from(workspaces).where(eq(workspaces.id, id));
    const collectionId = row?.collectionId ?? "";
    const index = deps.workspaceIndex(id);
    const [plan] = await index.plan([
      { path: "crash.ts", generation: 9_999, chunks: [{ embedHash: "0".repeat(64) }] },
    ]);
    if (plan?.outcome !== "write" || !plan.chunks[0]) throw new Error("no plan");
    const vector = Array.from({ length: 384 }, () => 0.05);
    await deps.vectors.upsert(collectionId, [
      { id: plan.chunks[0].id, vector, metadata: { language: "text" } },
    ]);
    expect(await deps.vectors.count(collectionId)).toBe(4);
    const later = { ...services(), now: () => Date.now() + 31 * 60_000 };
    expect(await settleVectors(later)).toBeGreaterThanOrEqual(1);
    expect(await deps.vectors.count(collectionId)).toBe(3);
    expect(await index.unsettled(Date.now() + 1000, 10)).toEqual([]);
  });
});
