import type { Command } from "commander";
import type { Job } from "../../client/types.ts";
import { whole } from "../arguments.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { CliError } from "../failure.ts";
import { apiPath, bytes, count, duration, plain, table } from "../format.ts";
import { followJob } from "../sync-tree.ts";

export const UNFINISHED: readonly string[] = ["queued", "running", "paused"];

export function registerStatus(program: Command, context: Context): void {
  program
    .command("status")
    .description("what the workspace holds, and how fresh it is")
    .addHelpText("after", "\nExamples:\n  devflow status\n  devflow status --json | jq .pending_files")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const client = context.client(options);
      const [who, stats, jobs] = await Promise.all([
        client.whoami(context.signal),
        client.stats(context.signal),
        client.jobs({ limit: 20 }, context.signal),
      ]);
      const running = jobs.items.filter(({ status }) => UNFINISHED.includes(status));
      if (options.json)
        return context.print(JSON.stringify({ ...stats, workspace: who.workspace, running }, null, 2));
      const languages = Object.entries(stats.languages).sort(([, a], [, b]) => b - a);
      context.print(
        table([
          ["server", client.url],
          ["workspace", `${who.workspace?.name ?? ""} (${who.workspace?.id ?? ""})`],
          ["files", `${count(stats.files)} (${bytes(stats.bytes)}), ${count(stats.pending_files)} pending`],
          ["chunks", `${count(stats.chunks)}, ${count(stats.vectors)} vectors`],
          ["languages", languages.map(([name, files]) => `${name} ${count(files)}`).join(", ") || "–"],
          ["model", `${stats.embedding.model} (${stats.embedding.dimensions})`],
          ["indexed", stats.last_indexed_at ?? "never"],
        ]),
      );
      for (const job of running) context.print(jobLine(job));
    });

  const jobs = program
    .command("jobs")
    .description("list jobs, or follow one to its end")
    .argument("[id]", "the job to follow")
    .option("-l, --limit <n>", "jobs, 1 to 100", whole, 20)
    .addHelpText("after", "\nExamples:\n  devflow jobs\n  devflow jobs job_…\n  devflow jobs retry job_…")
    .action(async (id: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { limit: number }>();
      const client = context.client(options);
      if (id === undefined) {
        const page = await client.jobs({ limit: options.limit }, context.signal);
        if (options.json) return context.print(JSON.stringify(page, null, 2));
        for (const job of page.items) context.print(jobLine(job));
        return;
      }
      const job = await followJob(context, client, await client.job(id, context.signal));
      context.print(options.json ? JSON.stringify(job, null, 2) : jobLine(job));
      if (job.status !== "succeeded") throw new CliError(`The job ${job.status}. ${job.error ?? ""}`.trim());
    });
  jobs
    .command("files")
    .description("what became of the files of a job")
    .argument("<id>")
    .option("--status <status>", "pending, indexed, unchanged, deleted, skipped or failed")
    .addHelpText("after", "\nExamples:\n  devflow jobs files job_… --status skipped")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { status?: string }>();
      const client = context.client(options);
      let cursor: string | undefined;
      do {
        const query = {
          limit: 100,
          cursor,
          ...(options.status === undefined ? {} : { status: options.status }),
        };
        const page = await client.jobFiles(id, query, context.signal);
        for (const file of page.items) {
          const why = [file.reason, file.message].filter((part) => part !== null).join(": ");
          context.print(
            options.json
              ? JSON.stringify(file)
              : plain(`${file.status}  ${file.path}${why === "" ? "" : `  (${why})`}`),
          );
        }
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
    });
  for (const [name, description] of [
    ["cancel", "stop a job; what is indexed stays"],
    ["retry", "take up what failed of a job"],
  ] as const) {
    jobs
      .command(name)
      .description(description)
      .argument("<id>")
      .addHelpText("after", `\nExamples:\n  devflow jobs ${name} job_…`)
      .action(async (id: string, _: unknown, command: Command) => {
        const client = context.client(command.optsWithGlobals<GlobalOptions>());
        context.print(jobLine(await (name === "cancel" ? client.cancelJob(id) : client.retryJob(id))));
      });
  }

  program
    .command("reindex")
    .description("index stored files again: what is missing, or everything with --force")
    .option("--force", "all of them; with a new embedding model this is the way over")
    .option("-p, --path <path>", "a folder or file", ".")
    .addHelpText("after", "\nExamples:\n  devflow reindex\n  devflow reindex --force --path src")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { force?: boolean; path: string }>();
      const client = context.client(options);
      const { job } = await client.reindex(
        { path: apiPath(options.path), force: options.force === true },
        context.signal,
      );
      if (job === null) return context.note("Nothing is missing.");
      context.print(jobLine(await followJob(context, client, job)));
    });
}

function jobLine(job: Job): string {
  const { id, kind, status, files, chunks, created_at: created, eta_seconds: eta } = job;
  const told = (word: "skipped" | "failed") => (files[word] > 0 ? `, ${count(files[word])} ${word}` : "");
  const left = eta === null ? "" : `, ${duration(eta)} left`;
  return `${id}  ${kind.padEnd(8)} ${status.padEnd(9)} ${count(files.done)}/${count(files.total)} files, ${count(chunks.total)} chunks${told("skipped")}${told("failed")}${left}  ${created}`;
}
