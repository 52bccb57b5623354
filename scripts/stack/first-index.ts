import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { StackFailure } from "./failure.ts";
import { type Progress, showProgress } from "./progress.ts";
import type { Stack } from "./start-stack.ts";
import { PROJECT } from "./wrangler.ts";

/** What DevFlow is at heart, what the example asks for first; all the rest would only make the first index longer. */
const FOLDERS = ["src/files", "src/core", "src"];
const FILES_PER_UPLOAD = 100;
const POLL_MS = 500;
const ENDED = ["succeeded", "failed", "cancelled"];
const SHOWN_LENGTH = 90;
const MARKER = "first-index.json";

/** What the first start searches for, and what the printed `curl` asks. */
export const EXAMPLE_QUERY = "how are uploads checked for path traversal?";

interface Job {
  id: string;
  status: string;
  files: { total: number; done: number; unchanged: number; skipped: number; failed: number };
  chunks: { total: number };
}

interface SearchAnswer {
  took_ms: number;
  results: { path: string; start_line: number; end_line: number; score: number; text: string }[];
}

/** How far an earlier start came with the workspace. */
interface Marker {
  workspace: string;
  status: "started" | "done";
}

/**
 * Once for each workspace: uploads the project's own source, waits for its indexing behind a progress bar, and
 * shows one search. What a slow machine has not indexed by then goes on behind it, and a line tells its end. A start
 * that was cut off is taken up by the next: what is indexed already costs nothing.
 * @param waitMs milliseconds for which the indexing is waited for; what was taken up is not.
 */
export async function indexOwnSource(stack: Stack, waitMs: number, signal: AbortSignal): Promise<void> {
  const earlier = stack.state.readJson<Marker>(MARKER);
  const begun = earlier?.workspace === stack.workspaceId;
  if (begun && earlier.status === "done") return;
  const mark = (status: Marker["status"]) =>
    stack.state.writeJson(MARKER, { workspace: stack.workspaceId, status } satisfies Marker);

  mark("started");
  const paths = ownSource();
  console.log(`\nIndexing DevFlow's own source: ${paths.length} files`);
  const jobs: (Job | null)[] = [];
  for (let start = 0; start < paths.length; start += FILES_PER_UPLOAD) {
    jobs.push(await upload(stack, paths.slice(start, start + FILES_PER_UPLOAD), signal));
  }
  // Miniflare keeps queues in memory: what waited there when the earlier start ended has to be sent again.
  if (begun) jobs.push(await indexWhatIsMissing(stack, signal));
  const ids = jobs.flatMap((job) => job?.id ?? []);
  const progress = await watch(stack, ids, begun ? 0 : waitMs, signal);
  show(await search(stack, signal));
  if (progress.ended) return mark("done");
  console.log("\nThe rest of it is indexed while you work.");
  void watch(stack, ids, Number.POSITIVE_INFINITY, signal, false).then(
    ({ done, chunks }) => {
      mark("done");
      console.log(`DevFlow's own source is indexed: ${done} files, ${chunks} chunks.`);
    },
    (error) => {
      if (!signal.aborted)
        console.error(`${error.message}\nThe next start goes on with DevFlow's own source.`);
    },
  );
}

/** What makes the project, without what was installed or built. Relative, with forward slashes. */
function ownSource(): string[] {
  const folders = FOLDERS.flatMap((folder) =>
    globSync(`${folder}/**/*.{ts,js,css,html,sql,md,toml}`, {
      cwd: PROJECT,
      exclude: (path) => /(^|[\\/])(public|meta|node_modules)([\\/]|$)/.test(path),
    }).sort(),
  );
  const top = globSync("*.{md,toml}", { cwd: PROJECT });
  return [...new Set([...folders, ...top].map((path) => path.replaceAll("\\", "/")))];
}

/** @returns its job, or null where every file was there already. */
async function upload(stack: Stack, paths: readonly string[], signal: AbortSignal): Promise<Job | null> {
  const form = new FormData();
  for (const path of paths) form.append("files", new Blob([readFileSync(join(PROJECT, path))]), path);
  return (await call<{ job: Job | null }>(stack, "POST", "/v1/files", signal, form)).job;
}

async function indexWhatIsMissing(stack: Stack, signal: AbortSignal): Promise<Job | null> {
  return (await call<{ job: Job | null }>(stack, "POST", "/v1/index", signal, {})).job;
}

/** Looks at the jobs until all have ended, or for `waitMs`. */
async function watch(
  stack: Stack,
  ids: readonly string[],
  waitMs: number,
  signal: AbortSignal,
  shown = true,
): Promise<Progress & { ended: boolean }> {
  using bar = shown ? showProgress() : null;
  const until = performance.now() + waitMs;
  const jobs = new Map<string, Job>();
  const running = new Set(ids);
  for (;;) {
    for (const id of running) {
      const job = await call<Job>(stack, "GET", `/v1/jobs/${id}`, signal);
      jobs.set(id, job);
      if (ENDED.includes(job.status)) running.delete(id);
    }
    const progress = progressOf([...jobs.values()]);
    bar?.update(progress);
    const ended = running.size === 0;
    if (ended || performance.now() > until) return { ...progress, ended };
    await setTimeout(POLL_MS, undefined, { signal });
  }
}

function progressOf(jobs: readonly Job[]): Progress {
  const sum = (count: (job: Job) => number) => jobs.reduce((total, job) => total + count(job), 0);
  return {
    total: sum(({ files }) => files.total),
    done: sum(({ files }) => files.done),
    failed: sum(({ files }) => files.failed),
    chunks: sum(({ chunks }) => chunks.total),
  };
}

function search(stack: Stack, signal: AbortSignal): Promise<SearchAnswer> {
  return call(stack, "POST", "/v1/search", signal, { query: EXAMPLE_QUERY, limit: 5 });
}

function show({ took_ms, results }: SearchAnswer): void {
  console.log(`\nSearch: ${EXAMPLE_QUERY} (${took_ms} ms)`);
  for (const { path, start_line, end_line, score, text } of results) {
    const line = text.split("\n").find((line) => /\w{3}/.test(line)) ?? "";
    console.log(`  ${score.toFixed(2)}  ${path}:${start_line}-${end_line}`);
    console.log(`        ${line.trim().slice(0, SHOWN_LENGTH)}`);
  }
}

async function call<T>(
  stack: Stack,
  method: string,
  path: string,
  signal: AbortSignal,
  body?: FormData | object,
): Promise<T> {
  const json = body !== undefined && !(body instanceof FormData);
  const response = await fetch(stack.url + path, {
    method,
    signal,
    headers: {
      authorization: `Bearer ${stack.apiKey}`,
      ...(json ? { "content-type": "application/json" } : {}),
    },
    ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : (body as FormData) }),
  }).catch((cause) => {
    throw new StackFailure(`The Worker did not answer ${method} ${path}: ${cause.cause ?? cause}`, { cause });
  });
  const text = await response.text();
  if (!response.ok) {
    throw new StackFailure(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
  }
  return JSON.parse(text) as T;
}
