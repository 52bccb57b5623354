import type { SourceText } from "./labelled-set.ts";
import type { Place } from "./metrics.ts";

export const MODES = ["lexical", "semantic", "hybrid"] as const;
export type Mode = (typeof MODES)[number];

interface Job {
  id: string;
  status: string;
  files: { failed: number };
}

interface SearchAnswer {
  results: { path: string; start_line: number; end_line: number; score: number }[];
  degraded?: string[];
  index: { files: number; pending_files: number };
}

const FILES_PER_UPLOAD = 500;
/** Of the ten that a workspace may have running. */
const JOBS_AT_ONCE = 4;
const POLL_MS = 250;
const ENDED = ["succeeded", "failed", "cancelled"];

/** What could not be asked of a server, in a sentence. */
export class ServerError extends Error {}

/** One workspace of a running server, by its REST API. */
export class Server {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url.replace(/\/+$/, "");
    this.#key = key;
  }

  /** Errors: `ServerError`, also where a leg was down, which would make the figures those of something else. */
  async search(query: string, mode: Mode, limit: number): Promise<(Place & { score: number })[]> {
    const answer = await this.call<SearchAnswer>("POST", "/v1/search", { query, mode, limit });
    if (answer.degraded)
      throw new ServerError(`A search was answered without its ${answer.degraded.join(", ")} leg.`);
    return answer.results.map(({ path, start_line, end_line, score }) => ({
      path,
      startLine: start_line,
      endLine: end_line,
      score,
    }));
  }

  /** Uploads the files and waits until they can be found. */
  async index(files: readonly SourceText[], onProgress: (done: number) => void): Promise<void> {
    const jobs: string[] = [];
    for (let start = 0; start < files.length; start += FILES_PER_UPLOAD) {
      const form = new FormData();
      for (const { path, text } of files.slice(start, start + FILES_PER_UPLOAD)) {
        form.append("files", new Blob([text]), path);
      }
      const { job } = await this.call<{ job: Job | null }>("POST", "/v1/files", form);
      if (job !== null) jobs.push(job.id);
      if (jobs.length >= JOBS_AT_ONCE) await this.#ended(jobs.shift() ?? "");
      onProgress(Math.min(files.length, start + FILES_PER_UPLOAD));
    }
    for (const id of jobs) await this.#ended(id);
  }

  async #ended(id: string): Promise<void> {
    for (;;) {
      const job = await this.call<Job>("GET", `/v1/jobs/${id}`);
      if (ENDED.includes(job.status)) {
        if (job.status === "succeeded" && job.files.failed === 0) return;
        throw new ServerError(`Indexing ended as ${job.status}, ${job.files.failed} files failed.`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async stats(): Promise<{ files: number; chunks: number }> {
    return this.call("GET", "/v1/stats");
  }

  async call<T>(method: string, path: string, body?: FormData | object): Promise<T> {
    const form = body instanceof FormData;
    const response = await fetch(this.#url + path, {
      method,
      redirect: "manual",
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(body === undefined || form ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
    }).catch((cause) => {
      throw new ServerError(`${this.#url} did not answer: ${cause.cause?.message ?? cause.message}`, {
        cause,
      });
    });
    const text = await response.text();
    if (!response.ok)
      throw new ServerError(`${method} ${path} answered ${response.status}: ${detailOf(text)}`);
    return JSON.parse(text) as T;
  }
}

/** The sentence of a problem document, else how the text begins. */
function detailOf(text: string): string {
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? text.slice(0, 300);
  } catch {
    return text.slice(0, 300);
  }
}
