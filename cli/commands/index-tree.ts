import { confirm } from "@inquirer/prompts";
import type { Command } from "commander";
import type { DevFlowClient } from "../../client/client.ts";
import type { Job, SyncPlan } from "../../client/types.ts";
import { dollars as dollarsTyped } from "../arguments.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { CliError } from "../failure.ts";
import { apiPath, bytes, count, dollars, table } from "../format.ts";
import { carryOut, followToEnd, type PlannedTree, planTree, type Synced } from "../sync-tree.ts";
import { UNFINISHED } from "./status.ts";

/** Dollars above which one is asked first, where somebody can answer. */
const ASK_ABOVE_DOLLARS = 1;

/** The newest ones, among which those under way are looked for. */
const JOBS_LOOKED_AT = 100;

interface IndexOptions extends GlobalOptions {
  folder: string;
  dryRun?: boolean;
  prune: boolean;
  allowMassDelete?: boolean;
  defaultIgnores: boolean;
  wait: boolean;
  yes?: boolean;
  maxCost: number;
}

export function registerIndex(program: Command, context: Context): void {
  program
    .command("index")
    .description("bring a folder into the workspace, or up to date with it")
    .argument("[dir]", "the folder", ".")
    .option("--folder <path>", "folder of the workspace to put it below", "")
    .option("-n, --dry-run", "say what would be done, and change nothing")
    .option("--no-prune", "keep files in the workspace that the folder has no more")
    .option("--allow-mass-delete", "let more than half of the stored files be deleted")
    .option("--no-default-ignores", "take lock files, minified, vendored and built files too")
    .option("--no-wait", "end once everything is uploaded")
    .option("-y, --yes", "do not ask")
    .option(
      "--max-cost <dollars>",
      "ask (or, without a terminal, refuse) above it",
      dollarsTyped,
      ASK_ABOVE_DOLLARS,
    )
    .addHelpText(
      "after",
      `
Files are chosen by .gitignore and .devflowignore (the same syntax), and by default rules; symbolic links are not
followed. Unchanged files are not sent, renamed and copied ones neither. Interrupted, it goes on where it stopped.
What the folder has no more is deleted from the workspace, below --folder; without --folder, everywhere. In folders that
this one does not have, that is asked first (or, without a terminal, refused).

Examples:
  devflow index ~/code/app --folder app
  devflow index                        this folder, as the whole workspace
  devflow index --dry-run              files, tokens and dollars
  devflow index --no-wait && devflow jobs`,
    )
    .action(async (dir: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<IndexOptions>();
      const client = context.client(options);
      const planned = await planTree(context, client, {
        root: dir,
        folder: apiPath(options.folder),
        defaults: options.defaultIgnores,
      });
      tellPlan(context, planned, options);
      if (options.dryRun) return;
      if (planned.tree.files.length === 0) tellEmpty(context, dir, planned);
      if (isNothing(planned.plan, options.prune)) return await goOn(context, client, planned, options);
      await agree(context, planned.plan, options);
      await agreeToDelete(context, planned, options);
      const { prune, wait, allowMassDelete = false } = options;
      const synced = await carryOut(context, client, planned, { prune, wait, allowMassDelete });
      tellEnd(context, synced, planned.plan, options);
    });
}

function isNothing({ upload_count: uploads, renamed, copied, missing }: SyncPlan, prune: boolean): boolean {
  return uploads === 0 && renamed.length + copied.length === 0 && !(prune && missing.length > 0);
}

/** Errors: `CliError` where rules leave all of it out: who named the folder did not mean that. */
function tellEmpty(context: Context, dir: string, { tree, plan }: PlannedTree): void {
  const words = `There are no files to index in ${dir}`;
  if (tree.left.size === 0 || plan.missing.length > 0) {
    context.note(`${words}.`);
    return;
  }
  throw new CliError(
    `${words}: what is there is left out (${leftOut(tree)}).`,
    "In a git repository the .gitignore files above the folder count too (`git check-ignore -v FILE` names the rule): copy it elsewhere to take it whole. --no-default-ignores lifts DevFlow's own rules alone.",
  );
}

/** Nothing is to be sent; what was sent before may still wait, where it was interrupted. */
async function goOn(
  context: Context,
  client: DevFlowClient,
  { tree }: PlannedTree,
  options: IndexOptions,
): Promise<void> {
  const { pending_files: pending } = await client.stats(context.signal);
  const jobs = pending === 0 ? [] : await jobsFor(client, options, context.signal);
  if (jobs.length === 0) {
    if (tree.files.length > 0) context.note("Everything is up to date.");
    return;
  }
  context.note(`${count(pending)} files that were uploaded before are not indexed yet.`);
  for (const job of jobs) {
    const synced = options.wait ? await followToEnd(context, client, job) : { job, failures: [] };
    tellEnd(context, synced, null, options);
  }
}

/** Jobs under way; where none is, one for what is missing below the folder. */
async function jobsFor(client: DevFlowClient, { folder }: IndexOptions, signal: AbortSignal): Promise<Job[]> {
  const { items } = await client.jobs({ limit: JOBS_LOOKED_AT }, signal);
  const unfinished = items.filter(({ status }) => UNFINISHED.includes(status));
  if (unfinished.length > 0) return unfinished.toReversed();
  const { job } = await client.reindex({ path: apiPath(folder) || ".", force: false }, signal);
  return job === null ? [] : [job];
}

function leftOut({ left }: PlannedTree["tree"]): string {
  return [...left].map(([reason, files]) => `${count(files)} ${reason}`).join(", ");
}

function tellPlan(context: Context, { tree, plan }: PlannedTree, options: IndexOptions): void {
  if (options.json && options.dryRun) {
    context.print(JSON.stringify(plan, null, 2));
    return;
  }
  const { estimate } = plan;
  const skipped = Map.groupBy(plan.skipped, ({ reason }) => reason);
  const rows = [
    [
      "files",
      `${count(tree.files.length)}${tree.left.size > 0 ? ` (left out, a folder as one: ${leftOut(tree)})` : ""}`,
    ],
    ["to upload", `${count(plan.upload_count)} (${bytes(estimate.bytes)})`],
    ["unchanged", count(plan.unchanged)],
    ["renamed", count(plan.renamed.length)],
    ["copied", count(plan.copied.length)],
    ["to delete", options.prune ? count(plan.missing.length) : `0 (${count(plan.missing.length)} are kept)`],
    ...[...skipped].map(([reason, files]) => ["skipped", `${count(files.length)} ${reason}`]),
    [
      "estimate",
      `${count(estimate.chunks)} chunks, ${count(estimate.tokens)} tokens, ${dollars(estimate.cost_microusd)}`,
    ],
  ];
  const say = options.dryRun ? context.print : context.note;
  say(table(rows));
}

async function agree(context: Context, plan: SyncPlan, options: IndexOptions): Promise<void> {
  const limit = options.maxCost;
  const cost = plan.estimate.cost_microusd / 1_000_000;
  if (options.yes || cost <= limit) return;
  const words = `This is likely to cost ${dollars(plan.estimate.cost_microusd)}.`;
  if (!context.interactive)
    throw new CliError(`${words} That is over --max-cost ${limit}.`, "Give --yes, or a higher --max-cost.");
  if (!(await confirm({ message: `${words} Go on?`, default: false }, { output: process.stderr }))) {
    throw new CliError("Nothing was changed.");
  }
}

/**
 * Files in folders that this one does not have were most likely brought in from elsewhere, and more than half of all is
 * a slip: neither is deleted without a word.
 */
async function agreeToDelete(
  context: Context,
  { tree, plan }: PlannedTree,
  options: IndexOptions,
): Promise<void> {
  const { missing, unchanged, renamed, upload_count: uploads } = plan;
  const folder = apiPath(options.folder);
  if (!options.prune || missing.length === 0) return;
  const stored = unchanged + renamed.length + missing.length + uploads;
  if (missing.length * 2 > stored && !options.allowMassDelete) {
    throw new CliError(
      `${count(missing.length)} of the ${count(stored)} files that the workspace would hold ${folder === "" ? "" : `below ${folder} `}are not in this folder, and would be deleted.`,
      `${folder === "" ? "--folder NAME puts this folder beside them, " : ""}--no-prune keeps them, --allow-mass-delete deletes them.`,
    );
  }
  const here = new Set(tree.files.map(({ path }) => topOf(path, options)));
  const elsewhere = missing.filter((path) => !here.has(topOf(path, options)));
  if (options.yes || options.allowMassDelete || elsewhere.length === 0) return;
  const folders = [...new Set(elsewhere.map((path) => topOf(path, options)))].join(", ");
  const words = `${count(elsewhere.length)} files would be deleted in folders that this one does not have: ${folders}.`;
  if (!context.interactive)
    throw new CliError(
      words,
      "--folder NAME puts this folder beside them, --no-prune keeps them, --yes deletes them.",
    );
  if (!(await confirm({ message: `${words} Go on?`, default: false }, { output: process.stderr }))) {
    throw new CliError(
      "Nothing was changed.",
      "--folder NAME puts this folder beside them, --no-prune keeps them.",
    );
  }
}

/** The first folder of a stored path, below that which the tree goes to; empty for a file beside them. */
function topOf(path: string, { folder }: IndexOptions): string {
  const prefix = apiPath(folder);
  const inner = prefix === "" ? path : path.slice(prefix.length + 1);
  return inner.includes("/") ? inner.slice(0, inner.indexOf("/")) : "";
}

/** @param plan that the job carried out; null for one of before. */
function tellEnd(
  context: Context,
  { job, failures }: Synced,
  plan: SyncPlan | null,
  options: IndexOptions,
): void {
  if (options.json) context.print(JSON.stringify(job, null, 2));
  if (job === null || !options.wait) {
    context.note(job === null ? "Done." : `Uploaded. The job ${job.id} goes on: devflow jobs ${job.id}`);
    return;
  }
  const { files, chunks, tokens, status } = job;
  const { green, red } = context.colors;
  for (const { path, message, reason } of failures)
    context.note(`${red("failed")} ${path}: ${message ?? reason ?? ""}`);
  if (status === "paused") {
    throw new CliError(
      `The job ${job.id} waits: ${job.error ?? job.paused_for ?? "it is paused"}`,
      "It goes on by itself once there are tokens again.",
    );
  }
  if (status !== "succeeded" || files.failed > 0) {
    throw new CliError(
      `The job ${job.id} ${status}: ${count(files.failed)} of ${count(files.total)} files were not indexed. ${job.error ?? ""}`.trim(),
      `devflow jobs retry ${job.id}`,
    );
  }
  const renamed = plan?.renamed.length ?? 0;
  const deleted = options.prune ? (plan?.missing.length ?? 0) : 0;
  const changes = [
    ...(renamed > 0 ? [`${count(renamed)} moved`] : []),
    ...(deleted > 0 ? [`${count(deleted)} deleted`] : []),
  ];
  const moved = changes.length > 0 ? ` (${changes.join(", ")})` : "";
  context.note(
    `${green("Done:")} ${count(files.total)} files${moved}, ${count(chunks.total)} chunks (${count(chunks.embedded)} embedded, ${count(chunks.reused)} reused), ${count(tokens)} tokens${files.skipped > 0 ? `; ${count(files.skipped)} skipped (devflow jobs files ${job.id} --status skipped)` : ""}`,
  );
}
