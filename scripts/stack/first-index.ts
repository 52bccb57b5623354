import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import cliProgress from "cli-progress";
import { StackFailure } from "./failure.ts";
import type { Stack } from "./start-stack.ts";

const PROJECT = resolve(import.meta.dirname, "../..");
const SOURCES = ["src", "scripts", "test", "bench", "migrations", "docs"];
const FILES_PER_UPLOAD = 100;
const POLL_MS = 250;
const QUERY = "how are uploads checked for path traversal?";

interface Job {
  id: string;
  status: string;
  files: { total: number; done: number; failed: number };
  chunks: { total: number };
}

/**
 * Once for each state folder: uploads the project's own source, waits for its indexing behind a progress bar, and
 * shows one search. A start that was cut off is taken up again: unchanged files cost nothing.
 */
export async function indexOwnSource(stack: Stack): Promise<void> {
  if (stack.state.readJson<{ done: boolean }>("first-index.json")?.done) return;
  const paths = ownSource();
  console.log(`\nIndexing DevFlow's own source: ${paths.length} files`);
  const jobs: string[] = [];
  for (let start = 0; start < paths.length; start += FILES_PER_UPLOAD) {
    const job = await upload(stack, paths.slice(start, start + FILES_PER_UPLOAD));
    if (job !== null) jobs.push(job.id);
  }
  await watch(stack, jobs);
  stack.state.writeJson("first-index.json", { done: true });
  await showSearch(stack);
}

/** What makes the project, without what was installed or built. Relative, with forward slashes. */
function ownSource(): string[] {
  const folders = SOURCES.flatMap((folder) => globSync(`${folder}/**/*.{ts,sql,md,toml}`, { cwd: PROJECT }));
  const top = globSync("*.{md,ts,toml}", { cwd: PROJECT });
  return [...top, ...folders].map((path) => path.replaceAll("\\", "/")).sort();
}

async function upload(stack: Stack, paths: string[]): Promise<Job | null> {
  const form = new FormData();
  for (const path of paths) form.append("files", new Blob([readFileSync(join(PROJECT, path))]), path);
  const { job } = await call<{ job: Job | null }>(stack, "POST", "/v1/files", form);
  return job;
}

async function watch(stack: Stack, ids: string[]): Promise<void> {
  const bar = new cliProgress.SingleBar(
    {
      format: "  {bar} {percentage}% | {value}/{total} files | {chunks} chunks | {duration_formatted}",
      hideCursor: true,
    },
    cliProgress.Presets.shades_classic,
  );
  const interactive = process.stdout.isTTY;
  let jobs: Job[] = [];
  const total = () => jobs.reduce((sum, job) => sum + job.files.total, 0);
  const done = () => jobs.reduce((sum, job) => sum + job.files.done, 0);
  const chunks = () => jobs.reduce((sum, job) => sum + job.chunks.total, 0);
  if (interactive) bar.start(1, 0, { chunks: 0 });
  for (let shown = -1; ; ) {
    jobs = await Promise.all(ids.map((id) => call<Job>(stack, "GET", `/v1/jobs/${id}`)));
    if (interactive) {
      bar.setTotal(Math.max(1, total()));
      bar.update(done(), { chunks: chunks() });
    } else if (Math.floor((done() / Math.max(1, total())) * 4) > shown) {
      shown = Math.floor((done() / Math.max(1, total())) * 4);
      console.log(`  ${done()}/${total()} files, ${chunks()} chunks`);
    }
    if (jobs.every((job) => ["succeeded", "failed", "cancelled"].includes(job.status))) break;
    await new Promise((next) => setTimeout(next, POLL_MS));
  }
  if (interactive) bar.stop();
  const failed = jobs.reduce((sum, job) => sum + job.files.failed, 0);
  if (failed > 0) console.log(`  ${failed} files failed; GET /v1/jobs/{id}/files?status=failed says why`);
}

async function showSearch(stack: Stack): Promise<void> {
  const { results, took_ms } = await call<{
    took_ms: number;
    results: { path: string; start_line: number; end_line: number; score: number; text: string }[];
  }>(stack, "POST", "/v1/search", { query: QUERY, limit: 5 });
  console.log(`\nSearch: ${QUERY} (${took_ms} ms)`);
  for (const { path, start_line, end_line, score, text } of results) {
    const line = text.split("\n").find((line) => /\w{3}/.test(line)) ?? "";
    console.log(
      `  ${score.toFixed(2)}  ${path}:${start_line}-${end_line}\n        ${line.trim().slice(0, 90)}`,
    );
  }
}

async function call<T>(stack: Stack, method: string, path: string, body?: FormData | object): Promise<T> {
  const form = body instanceof FormData;
  const response = await fetch(stack.url + path, {
    method,
    headers: {
      authorization: `Bearer ${stack.apiKey}`,
      ...(body !== undefined && !form ? { "content-type": "application/json" } : {}),
    },
    ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok)
    throw new StackFailure(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text) as T;
}
