import { describe, expect, it } from "vitest";
import { jobView } from "../../../src/indexing/job.ts";

const MINUTE = 60_000;

/** Seconds that are told to be left of a job that began a minute ago. */
function etaOf(done: number, total: number, more: object = {}): number | null {
  const row = { id: "job_x", kind: "upload", status: "running", startedAt: 0, finishedAt: null, ...more };
  const counted = (status: string, files: number) => ({
    status,
    files,
    chunks: 0,
    embedded: 0,
    reused: 0,
    tokens: 0,
  });
  const counts = [counted("indexed", done), counted("pending", total - done)];
  return jobView(row as never, counts as never, MINUTE).etaSeconds;
}

describe("the time that is left of a job", () => {
  it("goes by the files that are done, once they are a twentieth of all", () => {
    expect(etaOf(0, 10)).toBeNull();
    expect(etaOf(4, 100)).toBeNull();
    expect(etaOf(5, 100)).toBe(1140);
    expect(etaOf(1, 3)).toBe(120);
    expect(etaOf(3, 3)).toBe(0);
  });

  it("is not told of a job that has not begun, is paused or has ended", () => {
    expect(etaOf(5, 10, { startedAt: null })).toBeNull();
    expect(etaOf(5, 10, { status: "paused" })).toBeNull();
    expect(etaOf(10, 10, { finishedAt: MINUTE })).toBeNull();
  });
});
