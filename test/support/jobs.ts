import { call } from "./api.ts";

export interface TestJob {
  id: string;
  kind: string;
  status: string;
  error: string | null;
  files: { total: number; done: number; unchanged: number; skipped: number; failed: number };
  receipt?: Record<string, number>;
}

/** The job once it is over. Throws where it takes longer than 25 s. */
export async function finishedJob(key: string, id: string): Promise<TestJob> {
  for (let attempt = 0; attempt < 250; attempt++) {
    const response = await call("GET", `/v1/jobs/${id}`, { key });
    if (response.status !== 200) throw new Error(await response.text());
    const job = await response.json<TestJob>();
    if (["succeeded", "failed", "cancelled"].includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`job ${id} did not end within 25 s`);
}

export interface TestJobFile {
  path: string;
  status: string;
  reason: string | null;
  message: string | null;
}

/** What became of the files of a job: its first hundred, by path. */
export async function jobFilesOf(key: string, id: string): Promise<TestJobFile[]> {
  const response = await call("GET", `/v1/jobs/${id}/files?limit=100`, { key });
  return (await response.json<{ items: TestJobFile[] }>()).items;
}

/** Paths of the stored files, the first hundred. */
export async function storedPaths(key: string): Promise<string[]> {
  const response = await call("GET", "/v1/files?limit=100", { key });
  return (await response.json<{ items: { path: string }[] }>()).items.map(({ path }) => path);
}
