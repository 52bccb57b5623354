import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import pMap from "p-map";
import type { DevFlowClient } from "../client/client.ts";
import type { Job, JobFile, SyncPlan } from "../client/types.ts";
import type { Context } from "./context.ts";
import { count } from "./format.ts";
import { startProgress } from "./progress.ts";
import { hashTree, listTree, type Tree, type TreeFile } from "./tree.ts";

/** Files and bytes of one upload; the server takes 1,000 and 32 MiB. Small enough to be repeated at little cost. */
const BATCH_FILES = 200;
const BATCH_BYTES = 8 * 1024 * 1024;
const UPLOADS_AT_ONCE = 4;
const ERRORS_SHOWN = 50;

export interface TreeOptions {
  root: string;
  /** Folder of the workspace that the tree goes to; empty for its root. */
  folder: string;
  defaults: boolean;
}

export interface PlannedTree {
  tree: Tree;
  plan: SyncPlan;
}

/** Lists, hashes and compares. Changes nothing. */
export async function planTree(
  context: Context,
  client: DevFlowClient,
  options: TreeOptions,
): Promise<PlannedTree> {
  const tree = await listTree(options.root, { defaults: options.defaults, prefix: options.folder });
  using progress = startProgress(context, "Hashing", tree.files.length, "files");
  let hashed = 0;
  const files = await hashTree(tree.files, {
    signal: context.signal,
    onHashed: () => progress.set(++hashed),
  });
  const plan = await client.planSync(
    {
      files,
      use_default_ignores: options.defaults,
      ...(options.folder === "" ? {} : { path: options.folder }),
    },
    context.signal,
  );
  return { tree, plan };
}

export interface Synced {
  /** Null where nothing was left to do. */
  job: Job | null;
  failures: JobFile[];
}

/** Uploads what the plan wants, commits it, and follows the job to its end. */
export async function carryOut(
  context: Context,
  client: DevFlowClient,
  { tree, plan }: PlannedTree,
  options: { prune: boolean; allowMassDelete: boolean; wait: boolean },
): Promise<Synced> {
  await upload(context, client, tree, plan);
  const deletes = options.prune && plan.missing.length > 0;
  const { job } = await client.commitSync(
    plan.id,
    { delete_missing: deletes, allow_mass_delete: options.allowMassDelete },
    context.signal,
  );
  if (job === null || !options.wait) return { job, failures: [] };
  return await followToEnd(context, client, job);
}

/** The job as it ended, and why files of it failed. */
export async function followToEnd(context: Context, client: DevFlowClient, job: Job): Promise<Synced> {
  const ended = await followJob(context, client, job);
  return { job: ended, failures: ended.files.failed > 0 ? await failuresOf(client, ended.id) : [] };
}

async function upload(context: Context, client: DevFlowClient, tree: Tree, plan: SyncPlan): Promise<void> {
  const wanted = new Set(plan.upload);
  const files = tree.files.filter(({ path }) => wanted.has(path));
  if (files.length === 0) return;
  using progress = startProgress(context, "Uploading", files.length, "files");
  let sent = 0;
  await pMap(
    batchesOf(files),
    async (batch) => {
      const parts = await Promise.all(
        batch.map(async ({ path, file }) => ({ path, content: new Uint8Array(await readFile(file)) })),
      );
      await client.uploadFiles(parts, { sync: plan.id, signal: context.signal });
      sent += batch.length;
      progress.set(sent);
    },
    { concurrency: UPLOADS_AT_ONCE, signal: context.signal },
  );
}

/** Ignore files first: the server's rules for all that follows stand in them. */
export function batchesOf(files: readonly TreeFile[]): TreeFile[][] {
  const rules = (file: TreeFile) => (/^\.(git|devflow)ignore$/.test(basename(file.path)) ? 0 : 1);
  const batches: TreeFile[][] = [];
  let room = 0;
  for (const file of files.toSorted((a, b) => rules(a) - rules(b))) {
    const batch = batches.at(-1);
    if (batch === undefined || batch.length === BATCH_FILES || file.size > room) {
      batches.push([file]);
      room = BATCH_BYTES - file.size;
    } else {
      batch.push(file);
      room -= file.size;
    }
  }
  return batches;
}

/** Shows the job as it goes. CTRL-C leaves it running on the server. */
export async function followJob(context: Context, client: DevFlowClient, job: Job): Promise<Job> {
  using progress = startProgress(context, "Indexing", job.files.total, "files");
  let last = job;
  for await (const now of client.followJob(job.id, context.signal)) {
    last = now;
    progress.total(now.files.total);
    progress.set(now.files.done, `${count(now.chunks.total)} chunks, ${count(now.tokens)} tokens`);
    if (now.status === "paused") break;
  }
  return last;
}

async function failuresOf(client: DevFlowClient, jobId: string): Promise<JobFile[]> {
  return (await client.jobFiles(jobId, { status: "failed", limit: ERRORS_SHOWN })).items;
}
