import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { DevFlowClient } from "../../client/client.ts";
import { type Stack, startStack } from "../stack/start-stack.ts";

const CLI = resolve(import.meta.dirname, "../../cli/main.ts");
const POLL_MS = 300;
/** Files of one multipart upload. */
const UPLOAD_FILES = 200;

export interface DrillOptions {
  /** Of the drill's own: two stacks, identity, archive. */
  folder: string;
  files: { path: string; content: Uint8Array<ArrayBuffer> }[];
  queries: readonly string[];
  say(line: string): void;
}

export interface DrillReport {
  files: number;
  chunks: number;
  queries: number;
  archiveBytes: number;
  /** Blobs that the archive refers to, which `earlier` holds. */
  referred: number;
  /** Tokens that the restored deployment embedded anew. */
  tokensEmbedded: number;
  damagesRefused: number;
  secondsToBackUp: number;
  secondsToRestore: number;
  archive: string;
  /** The backup before it, which it refers to. */
  earlier: string;
  identity: string;
  /** Of the key that the drill rotates away from: the archive is encrypted to it, too. */
  previousIdentity: string;
}

/**
 * Indexes the files in one local stack, backs it up, restores it into another that is empty, and compares files by their
 * digests and the results of the queries. Errors: an AssertionError for what differs.
 */
export async function runDrill(options: DrillOptions): Promise<DrillReport> {
  const { folder, say } = options;
  const identity = join(folder, "identity.txt");
  const deletions = join(folder, "deletions.jsonl");
  const key = await generateX25519Identity();
  writeFileSync(identity, `${key}\n`, { mode: 0o600 });
  // As in the middle of a rotation: backups are encrypted to the old key and the new one.
  const previousIdentity = join(folder, "previous-identity.txt");
  const previous = await generateX25519Identity();
  writeFileSync(previousIdentity, `${previous}\n`, { mode: 0o600 });
  const recipients = [await identityToRecipient(previous), await identityToRecipient(key)].join(",");

  const first = await startStack({
    stateFolder: join(folder, "first"),
    port: 0,
    settings: { BACKUP_RECIPIENTS: recipients },
  });
  let before: Awaited<ReturnType<typeof observe>>;
  let secondsToBackUp: number;
  let [archive, earlier, referred] = ["", "", 0];
  try {
    // All but some, then those: the second backup refers to the blobs of the first, and holds the rest.
    const late = Math.ceil(options.files.length / 10);
    await uploadAll(first, options.files.slice(late));
    const began = performance.now();
    earlier = await backUp(first, folder);
    secondsToBackUp = secondsSince(began);
    await uploadAll(first, options.files.slice(0, late));
    say(`indexed ${options.files.length} files`);
    archive = await backUp(first, folder);
    // Deleted after the backup: a restore is not to bring it back.
    const [deleted] = options.files;
    const user = new DevFlowClient({ url: first.url, key: first.apiKey });
    await user.deleteFiles({ path: deleted?.path ?? "" });
    writeFileSync(deletions, (await devflow(first, ["backup", "deletions"])).stdout);
    before = await observe(first.url, first.apiKey, options.queries);
    say(`backed up: ${archive}, after ${earlier}`);
    const client = new DevFlowClient({ url: first.url, key: first.rootKey });
    referred = (await client.backup(basename(archive, ".tar"))).counts?.referred ?? 0;
    strictEqual(referred, options.files.length - late);
  } finally {
    await first.stop();
  }

  const second = await startStack({
    stateFolder: join(folder, "second"),
    port: 0,
    settings: { RESTORE_ENABLED: "true" },
  });
  try {
    const damagesRefused = await refusesDamage(second, { archive, earlier, identity });
    say(`refused ${damagesRefused} damaged archives`);
    const began = performance.now();
    const elsewhere = join(folder, "kept-elsewhere.tar");
    renameSync(earlier, elsewhere);
    const args = ["backup", "restore", archive, "--identity", identity, "--deletions", deletions];
    const { stdout, stderr } = await devflow(second, [...args, "--with", elsewhere]);
    const restore = stdout.trim();
    ok(/deleted since: 1 files, 0 whole workspaces/.test(stderr), stderr);
    renameSync(elsewhere, earlier);
    const secondsToRestore = secondsSince(began);
    const client = new DevFlowClient({ url: second.url, key: first.apiKey });
    await client.whoami().then(
      () => ok(false, "a restored key opened something before it was enabled"),
      () => {},
    );
    await devflow(second, ["backup", "enable-keys", restore]);
    const after = await observe(second.url, first.apiKey, options.queries);
    deepStrictEqual(after.files, before.files);
    deepStrictEqual(after.results, before.results);
    strictEqual(after.chunks, before.chunks);
    // Run again, it finds the restore done.
    strictEqual((await devflow(second, args)).stdout.trim(), restore);
    const jobs = await client.jobs({ limit: 100 });
    const tokensEmbedded = jobs.items
      .filter(({ kind }) => kind === "index")
      .reduce((sum, { tokens }) => sum + tokens, 0);
    return {
      files: before.files.length,
      chunks: before.chunks,
      queries: options.queries.length,
      archiveBytes: readFileSync(archive).length,
      referred,
      tokensEmbedded,
      damagesRefused,
      secondsToBackUp,
      secondsToRestore,
      archive,
      earlier,
      identity,
      previousIdentity,
    };
  } finally {
    await second.stop();
  }
}

/** A backup of now, downloaded. @returns its file. */
async function backUp(stack: Stack, folder: string): Promise<string> {
  const made = (await devflow(stack, ["backup", "create"])).stdout.trim();
  const file = join(folder, `${made}.tar`);
  await devflow(stack, ["backup", "download", made, file]);
  return file;
}

export async function uploadAll(
  stack: Pick<Stack, "url" | "apiKey">,
  files: DrillOptions["files"],
): Promise<void> {
  const client = new DevFlowClient({ url: stack.url, key: stack.apiKey });
  for (let start = 0; start < files.length; start += UPLOAD_FILES) {
    const { job } = await client.uploadFiles(files.slice(start, start + UPLOAD_FILES));
    for (let now = job; now !== null && now.finished_at === null; now = await client.job(now.id)) {
      await setTimeout(POLL_MS);
    }
  }
}

/** What a deployment holds and finds: all files with their digests, and the results of each query. */
export async function observe(url: string, key: string, queries: readonly string[]) {
  const client = new DevFlowClient({ url, key });
  const files: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await client.files({ limit: 100, ...(cursor === null ? {} : { cursor }) });
    files.push(...page.items.map((one) => `${one.sha256} ${one.status} ${one.chunks} ${one.path}`));
    cursor = page.next_cursor;
  } while (cursor !== null);
  const results: string[][] = [];
  for (const query of queries) {
    const answer = await client.search({ query, limit: 5 });
    results.push(answer.results.map((hit) => `${hit.path}:${hit.start_line}-${hit.end_line}`));
  }
  ok(
    results.some((hits) => hits.length > 0),
    "no query found anything",
  );
  const { chunks } = await client.stats();
  return { files, results, chunks };
}

/**
 * One byte flipped in each region of the archive, the end cut off, another file, another identity; and the archive that
 * it refers to missing, damaged, or another.
 */
async function refusesDamage(
  stack: Stack,
  { archive, earlier, identity }: { archive: string; earlier: string; identity: string },
): Promise<number> {
  const whole = readFileSync(archive);
  const broken = `${archive}.broken`;
  const regions = {
    "tar header": 20,
    "header file": 520,
    "padding of the header file": 1000,
    "part's tar header": 1024 + 130,
    "age header": 1024 + 512 + 60,
    "age payload": 1024 + 512 + 2000,
    manifest: whole.lastIndexOf('"plain_bytes"') + 16,
    digests: whole.lastIndexOf("manifest.json") - 20,
    end: whole.length - 1,
  };
  const attempts: [string, Uint8Array][] = Object.entries(regions).map(([name, at]) => {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return [name, bytes];
  });
  attempts.push(["cut off", whole.subarray(0, whole.length - 2048)], ["foreign", Buffer.alloc(4096, "a")]);
  let count = 0;
  const refused = async (name: string, file: string, key: string) => {
    const { code, stderr } = await devflow(stack, ["backup", "restore", file, "--identity", key], false);
    strictEqual(code, 1, `${name} was not refused: ${stderr}`);
    count += 1;
    return stderr;
  };
  for (const [name, bytes] of attempts) {
    writeFileSync(broken, bytes);
    await refused(name, broken, identity);
  }
  const stranger = `${identity}.other`;
  writeFileSync(stranger, await generateX25519Identity());
  await refused("another identity", archive, stranger);
  const bytes = Buffer.from(readFileSync(earlier));
  renameSync(earlier, `${earlier}.elsewhere`);
  const missing = await refused("a missing archive", archive, identity);
  ok(missing.includes(earlier), `the missing archive is not named: ${missing}`);
  bytes[2000] = (bytes[2000] ?? 0) ^ 1;
  writeFileSync(earlier, bytes);
  await refused("a damaged earlier archive", archive, identity);
  writeFileSync(earlier, whole);
  await refused("another archive in place of the earlier one", archive, identity);
  renameSync(`${earlier}.elsewhere`, earlier);
  const root = new DevFlowClient({ url: stack.url, key: stack.rootKey });
  const workspaces = await root.transport.json<{ items: unknown[] }>("GET", "/v1/workspaces");
  deepStrictEqual(workspaces.items, []);
  return count;
}

export async function devflow(
  stack: Pick<Stack, "url" | "rootKey">,
  args: string[],
  mustSucceed = true,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, DEVFLOW_URL: stack.url, DEVFLOW_KEY: stack.rootKey },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (part: Buffer) => {
    stdout += part.toString();
  });
  child.stderr.on("data", (part: Buffer) => {
    stderr += part.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (mustSucceed) strictEqual(code, 0, `devflow ${args.join(" ")}: ${stderr}`);
  return { code, stdout, stderr };
}

function secondsSince(began: number): number {
  return Math.round((performance.now() - began) / 100) / 10;
}
