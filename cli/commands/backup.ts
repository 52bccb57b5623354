import { createWriteStream } from "node:fs";
import { readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import type { Command } from "commander";
import type { DevFlowClient } from "../../client/client.ts";
import type { Job } from "../../client/types.ts";
import { backupOf, openBackupFile } from "../backup-archive.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { Deletions } from "../deletions.ts";
import { CliError } from "../failure.ts";
import { bytes, count, table } from "../format.ts";
import { startProgress } from "../progress.ts";

const POLL_MS = 1000;

export function registerBackup(program: Command, context: Context): void {
  const backup = program
    .command("backup")
    .description("backups of the whole deployment (needs the root key in DEVFLOW_KEY)")
    .addHelpText(
      "after",
      "\nExamples:\n  export DEVFLOW_URL=https://devflow.example.com DEVFLOW_KEY=$ROOT_API_KEY\n  devflow backup create\n  devflow backup list",
    );
  backup
    .command("keygen")
    .description("make a pair of age keys: the identity on stdout, the public key on stderr")
    .addHelpText("after", "\nExamples:\n  (umask 077; devflow backup keygen > identity.txt)")
    .action(async () => {
      const identity = await generateX25519Identity();
      const recipient = await identityToRecipient(identity);
      context.print(`# public key: ${recipient}\n${identity}`);
      context.note(`Set BACKUP_RECIPIENTS=${recipient}`);
      context.note("Keep the identity away from the deployment: without it no backup can be read.");
    });
  backup
    .command("create")
    .description("make a backup now, and wait for it")
    .option("--whole", "copy every blob, refer to no earlier backup")
    .addHelpText("after", "\nExamples:\n  devflow backup download $(devflow backup create)")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { whole?: boolean }>();
      const client = context.client(options);
      const { job } = await client.createBackup({ whole: options.whole ?? false });
      const done = await followed(context, client, job);
      if (options.json) return context.print(JSON.stringify(done, null, 2));
      context.print(String(done.receipt?.["backup"]));
    });
  backup
    .command("list")
    .description("backups, newest first")
    .addHelpText(
      "after",
      "\nExamples:\n  devflow backup list\n  devflow backup list --json | jq -r '.items[0].id'",
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const page = await context.client(options).backups({ limit: 100 }, context.signal);
      if (options.json) return context.print(JSON.stringify(page, null, 2));
      const rows = page.items.map((one) => [
        one.id,
        one.status,
        one.created_at,
        one.bytes === null ? "" : bytes(one.bytes),
        one.counts === null ? "" : `${count(one.counts.rows["files"] ?? 0)} files`,
        one.refers_to.length === 0 ? "" : `refers to ${one.refers_to.join(", ")}`,
        one.error ?? "",
      ]);
      context.print(table(rows));
    });
  backup
    .command("download")
    .description("the encrypted file of a backup; goes on where an earlier download was cut off")
    .argument("<id>")
    .argument("[file]", "where to; default <id>.tar")
    .addHelpText("after", "\nExamples:\n  devflow backup download bak_… /var/backups/devflow.tar")
    .action(async (id: string, file: string | undefined, _: unknown, command: Command) => {
      const client = context.client(command.optsWithGlobals<GlobalOptions>());
      context.print(await download(context, client, id, file ?? `${id}.tar`));
    });
  backup
    .command("deletions")
    .description("what was deleted in the last 31 days, for `devflow backup restore --deletions`")
    .option("--since <time>", "since then (ISO 8601), for one when a backup began")
    .addHelpText("after", "\nExamples:\n  devflow backup deletions > deletions.jsonl")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { since?: string }>();
      const response = await context.client(options).deletions(options.since, context.signal);
      context.print((await response.text()).trimEnd());
    });
  backup
    .command("restore")
    .description("decrypt a backup here, and restore it into an empty deployment")
    .argument("<file>")
    .requiredOption("--identity <file>", "file with the age identity; it stays on this machine")
    .option("--deletions <file>", "what was deleted since, by `devflow backup deletions`: it is left out")
    .option("--with <file...>", "archives that it refers to; those not named are <id>.tar beside FILE")
    .addHelpText(
      "after",
      "\nThe deployment needs RESTORE_ENABLED=true. Run it again where it was interrupted: it goes on.\n\nExamples:\n  devflow backup restore bak_….tar --identity identity.txt",
    )
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & RestoreOptions>();
      const identity = await readFile(options.identity, "utf8").catch(() => {
        throw new CliError(`The identity ${options.identity} cannot be read.`);
      });
      const pathOf = await placeOfArchives(file, options.with ?? []);
      const deletionsSince = await deletionsOf(context, options.deletions);
      const source = { file, identity, pathOf, deletionsSince };
      const { id, job } = await restore(context, context.client(options), source);
      if (options.json) return context.print(JSON.stringify(job, null, 2));
      context.note(`Restored ${job.receipt?.["files"]} files of ${job.receipt?.["workspaces"]} workspaces.`);
      context.note(`API keys open nothing yet: devflow backup enable-keys ${id}`);
      context.print(id);
    });
  backup
    .command("enable-keys")
    .description("let restored API keys in again")
    .argument("<restore>", "what `restore` printed")
    .option("--workspace <id>", "those of one workspace")
    .addHelpText(
      "after",
      "\nExamples:\n  devflow backup enable-keys rst_…\n  devflow backup enable-keys rst_… --workspace ws_…",
    )
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { workspace?: string }>();
      const { enabled } = await context.client(options).enableRestoredKeys(id, options.workspace);
      context.note(`${enabled} keys are enabled.`);
    });
}

async function download(context: Context, client: DevFlowClient, id: string, file: string): Promise<string> {
  const { status, bytes: size, refers_to: others } = await client.backup(id, context.signal);
  if (size === null) throw new CliError(`The backup is ${status}; it has no content.`);
  const partial = `${file}.partial`;
  const there = await stat(partial).then(
    (found) => found.size,
    () => 0,
  );
  const from = there < size ? there : 0;
  const response = await client.backupContent(id, from, context.signal);
  if (response.body === null) throw new CliError("The server sent nothing.");
  using progress = startProgress(context, "download", size, "bytes");
  let done = from;
  const body = Readable.fromWeb(response.body as import("node:stream/web").ReadableStream);
  body.on("data", (part: Buffer) => {
    done += part.length;
    progress.set(done);
  });
  await pipeline(body, createWriteStream(partial, { flags: from > 0 ? "a" : "w", mode: 0o600 }));
  const written = (await stat(partial)).size;
  if (written !== size) throw new CliError(`${written} of ${size} bytes came; run it again to go on.`);
  await rename(partial, file);
  if (others.length > 0)
    context.note(`A restore needs ${others.map((one) => `${one}.tar`).join(", ")} beside it, too.`);
  return file;
}

async function restore(
  context: Context,
  client: DevFlowClient,
  source: Source,
): Promise<{ id: string; job: Job }> {
  // All is read and decrypted once before anything is sent: what is damaged is refused here.
  await using file = await verified(context, source);
  const { files, workspaces } = file.leftOut;
  if (files + workspaces > 0) {
    context.note(`Left out, as it was deleted since: ${files} files, ${workspaces} whole workspaces.`);
  }
  const { manifest } = file;
  const opened = await client.openRestore(manifest, context.signal);
  const there = new Set(opened.received);
  if (opened.status === "receiving") {
    using progress = startProgress(context, "upload", manifest.parts.length, "parts");
    for (const part of manifest.parts) {
      if (!there.has(part.part)) {
        const digest = Buffer.from(part.plain_sha256, "hex").toString("base64");
        await client.putRestorePart(opened.id, part.part, await file.part(part), digest, context.signal);
      }
      progress.set(part.part);
    }
  }
  if (opened.status === "failed") throw new CliError(`This restore failed: ${opened.error}`);
  const { job } = await client.completeRestore(opened.id);
  return { id: opened.id, job: await followed(context, client, job) };
}

interface RestoreOptions {
  identity: string;
  deletions?: string;
  with?: string[];
}

interface Source {
  file: string;
  identity: string;
  pathOf(backup: string): string;
  deletionsSince(since: number): Deletions;
}

/** Says what is known of deletions, or that nothing is. Errors: `CliError` for a file that cannot be read. */
async function deletionsOf(
  context: Context,
  path: string | undefined,
): Promise<(since: number) => Deletions> {
  const text =
    path === undefined
      ? ""
      : await readFile(path, "utf8").catch(() => {
          throw new CliError(`The deletions ${path} cannot be read.`);
        });
  return (since) => {
    const deletions = Deletions.parse(text, since);
    const after = deletions.until ?? new Date(since).toISOString();
    context.note(`What was deleted after ${after} comes back: no deletion after that is known.`);
    return deletions;
  };
}

/** Named archives by the backup that each is of; all others are beside the file. */
async function placeOfArchives(file: string, named: readonly string[]): Promise<(backup: string) => string> {
  const places = new Map<string, string>();
  for (const path of named) places.set(await backupOf(path), path);
  return (backup) => places.get(backup) ?? join(dirname(file), `${backup}.tar`);
}

async function verified(context: Context, { file, ...source }: Source) {
  using progress = startProgress(context, "verify", 1, "parts");
  return await openBackupFile(file, source, (part, of) => {
    progress.total(of);
    progress.set(part);
  });
}

/** Until it is over. Errors: `CliError` where it failed. */
async function followed(context: Context, client: DevFlowClient, begun: Job): Promise<Job> {
  let shown = "";
  for (let job = begun; ; job = await client.job(begun.id, context.signal)) {
    if (job.status === "succeeded") return job;
    if (job.finished_at !== null) throw new CliError(job.error ?? `The job ${job.status}.`);
    const parts = job.receipt?.["parts"];
    const line = `${job.kind}: ${parts === undefined ? job.status : `part ${parts}`}`;
    if (line !== shown) context.note(line);
    shown = line;
    await setTimeout(POLL_MS, undefined, { signal: context.signal });
  }
}
