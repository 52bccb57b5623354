import type { SourceFile } from "./sources.ts";

export interface Job {
  id: string;
  status: string;
  files: { total: number; done: number; unchanged: number; skipped: number; failed: number };
  chunks: { total: number; embedded: number; reused: number };
}

/** Often enough for a job of seconds; each look is a request that the measured Worker has to answer. */
const POLL_MS = 500;

/** The few calls that the measurements make. */
export class Client {
  readonly url: string;
  readonly key: string;

  constructor(url: string, key: string) {
    this.url = url;
    this.key = key;
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }

  /** Uploads the files as one multipart request and returns its job. */
  async upload(files: readonly SourceFile[], folder = ""): Promise<Job | null> {
    const form = new FormData();
    for (const file of files) form.append("files", new Blob([file.bytes]), file.path);
    const query = folder === "" ? "" : `?path=${encodeURIComponent(folder)}`;
    const response = await fetch(`${this.url}/v1/files${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.key}` },
      body: form,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST /v1/files: ${response.status} ${text.slice(0, 500)}`);
    return (JSON.parse(text) as { job: Job | null }).job;
  }

  /** Polls until the job ends. */
  async finished(id: string, timeoutMs = 600_000): Promise<Job> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const job = await this.json<Job>("GET", `/v1/jobs/${id}`);
      if (["succeeded", "failed", "cancelled"].includes(job.status)) return job;
      if (Date.now() > end) throw new Error(`job ${id} did not end: ${JSON.stringify(job)}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
