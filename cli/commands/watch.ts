import { watch } from "node:fs";
import type { Command } from "commander";
import { pause } from "../../client/transport.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { tell } from "../failure.ts";
import { apiPath, count } from "../format.ts";
import { carryOut, planTree } from "../sync-tree.ts";
import { requireFolder } from "../tree.ts";

/** Editors save in bursts: what changes within this time of the last change goes together. */
const QUIET_MS = 1000;

interface WatchOptions extends GlobalOptions {
  folder: string;
  prune: boolean;
  defaultIgnores: boolean;
}

export function registerWatch(program: Command, context: Context): void {
  program
    .command("watch")
    .description("keep the workspace up to date with a folder, until CTRL-C")
    .argument("[dir]", "the folder", ".")
    .option("--folder <path>", "folder of the workspace that it is below", "")
    .option("--no-prune", "keep files in the workspace that the folder has no more")
    .option("--no-default-ignores", "take lock files, minified, vendored and built files too")
    .addHelpText("after", "\nExamples:\n  devflow watch\n  devflow watch ~/code/app --folder app")
    .action(async (dir: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<WatchOptions>();
      requireFolder(dir);
      const changes = changesBelow(dir, context.signal);
      for (;;) {
        await sync(context, dir, options);
        context.note("Watching. CTRL-C ends it.");
        await changes.next();
        await changes.quiet(QUIET_MS);
      }
    });
}

/** One pass; a failure is told and waited out, as the next change comes anyway. */
async function sync(context: Context, root: string, options: WatchOptions): Promise<void> {
  const client = context.client(options);
  try {
    const planned = await planTree(context, client, {
      root,
      folder: apiPath(options.folder),
      defaults: options.defaultIgnores,
    });
    const { plan } = planned;
    const changes = plan.upload_count + plan.renamed.length + plan.copied.length;
    if (changes + (options.prune ? plan.missing.length : 0) === 0) return;
    const { job, failures } = await carryOut(context, client, planned, {
      prune: options.prune,
      allowMassDelete: false,
      wait: true,
    });
    for (const { path, message } of failures) context.note(`failed ${path}: ${message ?? ""}`);
    if (job !== null)
      context.note(`${count(job.files.done)} files, ${count(job.chunks.embedded)} chunks embedded.`);
  } catch (error) {
    if (context.signal.aborted) throw error;
    const { message, advice } = tell(error);
    context.note(`error: ${message}${advice === null ? "" : ` ${advice}`}`);
  }
}

function changesBelow(dir: string, signal: AbortSignal) {
  let lastAt = 0;
  let wake: (() => void) | null = null;
  const watcher = watch(dir, { recursive: true, signal }, (_, name) => {
    if (name !== null && /(^|[\\/])\.git([\\/]|$)/.test(name)) return;
    lastAt = Date.now();
    wake?.();
  });
  watcher.on("error", () => wake?.());
  let seenAt = 0;
  return {
    /** The next change, or one that came since the last call. */
    async next(): Promise<void> {
      if (lastAt <= seenAt) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
      wake = null;
      signal.throwIfAborted();
    },
    /** Until nothing has changed for so long. */
    async quiet(ms: number): Promise<void> {
      while (Date.now() - lastAt < ms) await pause(ms - (Date.now() - lastAt), signal);
      seenAt = lastAt;
    },
  };
}
