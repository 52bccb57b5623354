import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { Decrypter } from "age-encryption";
import { unpackTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { continueBackup, failBackup, startBackup } from "../../src/backup/create.ts";
import { noteDeletions, readDeletions } from "../../src/backup/deletions.ts";
import { nightlyBackup, retireBackups } from "../../src/backup/schedule.ts";
import { BACKED_UP, LEFT_OUT } from "../../src/db/backup-tables.ts";
import type { Services } from "../../src/services.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { eventually, services } from "../support/indexing.ts";
import { finishedJob, type TestJob } from "../support/jobs.ts";
import { problemOf } from "../support/keys.ts";

const { DB, BLOBS, BACKUP_IDENTITY } = env as unknown as Env & { BACKUP_IDENTITY: string };
const FILES = {
  "src/a.ts": "export const answer = 42;\n",
  "src/déjà.py": "def f():\n    return 1\n",
  "x.bin": "\0\x01",
};
const NIGHTLY = { whole: false, requestId: null };

interface Backup {
  id: string;
  status: string;
  parts: number;
  bytes: number;
  refers_to: string[];
  counts: { rows: Record<string, number>; blobs: number; referred: number; vectors: number };
}

async function upload(key: string, contents: Record<string, string>) {
  const form = new FormData();
  for (const [path, content] of Object.entries(contents)) form.append("files", new Blob([content]), path);
  const response = await call("POST", "/v1/files", { key, raw: form });
  await finishedJob(key, (await response.json<{ job: TestJob }>()).job.id);
}

async function filled() {
  const workspace = await newWorkspace();
  await upload(workspace.key, FILES);
  return workspace;
}

/** A backup of now, complete. */
async function backedUp(whole = true): Promise<Backup> {
  const response = await call("POST", "/v1/backups", { key: ROOT_KEY, body: { whole } });
  expect(response.status, await response.clone().text()).toBe(202);
  const job = await finishedJob(ROOT_KEY, (await response.json<{ job: TestJob }>()).job.id);
  expect(job, JSON.stringify(job)).toMatchObject({ kind: "backup", status: "succeeded" });
  const id = String(job.receipt?.["backup"]);
  return await (await call("GET", `/v1/backups/${id}`, { key: ROOT_KEY })).json<Backup>();
}

async function contentOf(id: string, range?: string) {
  const headers = range === undefined ? {} : { range };
  const response = await call("GET", `/v1/backups/${id}/content`, { key: ROOT_KEY, headers });
  return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const jsonl = (bytes: Uint8Array | undefined) =>
  textOf(bytes)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function manifestOf(id: string): Promise<Uint8Array> {
  const object = await BLOBS.get(`backups/${id}/manifest.json`);
  return new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer(0));
}

async function decrypted(part: Uint8Array | undefined): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(BACKUP_IDENTITY);
  return await decrypter.decrypt(part ?? new Uint8Array());
}

/** Names and contents of the first part, and the manifest. */
async function opened(id: string) {
  const outer = new Map(
    (await unpackTar((await contentOf(id)).bytes)).map(({ header, data }) => [header.name, data]),
  );
  const entries = await unpackTar(await decrypted(outer.get("part-00001.tar.age")));
  return {
    manifest: JSON.parse(textOf(outer.get("manifest.json"))),
    entries: new Map(entries.map(({ header, data }) => [header.name, data])),
  };
}

describe("a backup", () => {
  it("is one tar of encrypted parts, with every row, blob and vector, and no secret", async () => {
    const workspace = await filled();
    const backup = await backedUp();
    const { response, bytes } = await contentOf(backup.id);
    expect(response.headers.get("content-length")).toBe(String(backup.bytes));
    expect(bytes.length).toBe(backup.bytes);

    const outer = new Map((await unpackTar(bytes)).map(({ header, data }) => [header.name, data]));
    expect([...outer.keys()]).toEqual([
      "devflow-backup.json",
      "part-00001.tar.age",
      "manifest.json",
      "SHA256SUMS",
    ]);
    for (const line of textOf(outer.get("SHA256SUMS")).trim().split("\n")) {
      const [digest, name = ""] = line.split("  ");
      expect(sha256(outer.get(name) ?? new Uint8Array()), name).toBe(digest);
    }

    const plain = await decrypted(outer.get("part-00001.tar.age"));
    const manifest = JSON.parse(textOf(outer.get("manifest.json")));
    expect(manifest.parts[0]).toMatchObject({ plain_bytes: plain.length, plain_sha256: sha256(plain) });
    const entries = new Map((await unpackTar(plain)).map(({ header, data }) => [header.name, data]));
    const rowsOf = (kind: string) =>
      [...entries].filter(([name]) => name.startsWith(kind)).flatMap(([, data]) => jsonl(data));

    const files = rowsOf("d1/files/").filter((row) => row["workspace_id"] === workspace.id);
    expect(files.map(({ path }) => path).sort()).toEqual(Object.keys(FILES).sort());
    for (const { path, blob } of files) {
      if (blob === null) continue;
      const stored = entries.get(`blobs/${workspace.id}/${blob}`);
      expect(textOf(stored)).toBe(FILES[path as keyof typeof FILES]);
    }
    const vectors = rowsOf(`vectors/${workspace.id}/`);
    expect(vectors.map(({ path }) => path).sort()).toEqual(["src/a.ts", "src/déjà.py"]);
    expect(vectors[0]).toMatchObject({ id: expect.any(String), metadata: { d1: "src" } });
    expect(atob(String(vectors[0]?.["vector"])).length).toBe(384 * 4);
    expect(rowsOf("d1/workspaces/").map(({ id }) => id)).toContain(workspace.id);
    expect(backup.counts.rows["files"]).toBe(rowsOf("d1/files/").length);
    expect(backup.counts.vectors).toBe(rowsOf("vectors/").length);

    const settings = textOf(entries.get("settings.json"));
    expect(settings).toContain("EMBEDDING_MODEL");
    for (const secret of [ROOT_KEY, workspace.key, "development-jwt-secret"]) {
      expect(textOf(plain)).not.toContain(secret);
    }
  });

  it("refers to blobs that an earlier one holds, and copies what is new or changed", async () => {
    const workspace = await filled();
    const first = await backedUp();
    expect(first.refers_to).toEqual([]);
    await upload(workspace.key, { "src/a.ts": "export const answer = 43;\n", "src/b.ts": "export {};\n" });
    const second = await backedUp(false);
    const third = await backedUp(false);
    expect([second.refers_to, third.refers_to]).toEqual([[first.id], [first.id, second.id].sort()]);
    expect(third.counts.blobs).toBe(0);
    expect(third.counts.referred).toBe(second.counts.referred + second.counts.blobs);

    const { manifest, entries } = await opened(second.id);
    expect(manifest).toMatchObject({
      header: { version: 2 },
      refers_to: [{ id: first.id, manifest_sha256: sha256(await manifestOf(first.id)) }],
    });
    const blobs = [...entries].filter(([name]) => name.startsWith(`blobs/${workspace.id}/`));
    expect(blobs.map(([, data]) => textOf(data)).sort()).toEqual([
      "export const answer = 43;\n",
      "export {};\n",
    ]);
    const references = [...entries]
      .filter(([name]) => name.startsWith(`references/${workspace.id}/`))
      .flatMap(([, data]) => jsonl(data));
    const held = (await opened(first.id)).entries;
    expect(references).toHaveLength(1);
    for (const { blob, sha256: digest, size, backup, part } of references) {
      const bytes = held.get(`blobs/${workspace.id}/${blob}`) ?? new Uint8Array();
      expect([backup, part, size, digest]).toEqual([first.id, 1, bytes.length, sha256(bytes)]);
      expect(textOf(bytes)).toBe(FILES["src/déjà.py"]);
    }
    // A row says nothing of where this deployment's archives are.
    const rows = [...entries]
      .filter(([name]) => name.startsWith("d1/files/"))
      .flatMap(([, data]) => jsonl(data));
    expect(Object.keys(rows[0] ?? {})).not.toContain("archived_in");

    const deps = services({ BACKUP_RETENTION_COUNT: "1" });
    await retireBackups(deps);
    expect((await contentOf(first.id)).bytes.length).toBe(first.bytes);
    expect((await backedUp()).counts.referred).toBe(0);
    await retireBackups(deps);
    expect((await call("GET", `/v1/backups/${first.id}`, { key: ROOT_KEY })).status).toBe(404);
  });

  it("leaves a note of what was deleted since, which is read without the database", async () => {
    const workspace = await filled();
    const gone = await newWorkspace();
    const deleted = await call("POST", "/v1/files/delete", {
      key: workspace.key,
      body: { path: "src/a.ts" },
    });
    expect(deleted.status).toBe(200);
    await call("DELETE", `/v1/workspaces/${gone.id}`, { key: ROOT_KEY });
    const read = async (since: string) =>
      jsonl(
        new Uint8Array(
          await (await call("GET", `/v1/deletions?since=${since}`, { key: ROOT_KEY })).arrayBuffer(),
        ),
      );
    const before = new Date(Date.now() - 60_000).toISOString();
    const lines = await read(before);
    expect(lines.at(-1)).toEqual({ until: expect.stringMatching(/Z$/) });
    const ours = lines.filter(({ workspace_id }) => workspace_id === workspace.id);
    expect(ours[0]).toMatchObject({ path: "src/a.ts", generation: expect.any(Number) });
    expect(lines).toContainEqual(expect.objectContaining({ workspace_id: gone.id, path: null }));
    expect(await read(new Date(Date.now() + 60_000).toISOString())).toHaveLength(1);

    const real = services();
    const broken = {
      blobs: real.blobs,
      log: real.log,
      now: real.now,
      get db(): never {
        throw new Error("the database is gone");
      },
    };
    const left = await new Response(readDeletions(broken, Date.parse(before))).text();
    expect(left).toContain(workspace.id);
    // No backup is as old as this: nothing needs the note any more.
    const later = Date.now() + 32 * 86_400_000;
    await noteDeletions({ db: real.db, blobs: real.blobs, now: () => later });
    expect((await BLOBS.list({ prefix: "deletions/" })).objects).toEqual([]);
  });

  it("is given in ranges that make up the whole", async () => {
    await filled();
    const { id, bytes: size } = await backedUp();
    const { bytes: whole } = await contentOf(id);
    for (const [range, start, end] of [
      ["bytes=0-0", 0, 1],
      ["bytes=500-1600", 500, 1601],
      [`bytes=${size - 3000}-`, size - 3000, size],
      ["bytes=-1024", size - 1024, size],
    ] as const) {
      const { response, bytes } = await contentOf(id, range);
      expect(response.status, range).toBe(206);
      expect(response.headers.get("content-range")).toBe(`bytes ${start}-${end - 1}/${size}`);
      expect(sha256(bytes), range).toBe(sha256(whole.slice(start, end)));
    }
    const beyond = await contentOf(id, `bytes=${size}-`);
    expect(beyond.response.status).toBe(416);
  });

  it("goes on after a delivery that was lost, and takes a part delivered twice once", async () => {
    await filled();
    const sent: (number | undefined)[] = [];
    const send: Services["queue"]["send"] = async (messages) => {
      for (const message of messages) if (message.kind === "backup") sent.push(message.part);
    };
    const real = services();
    const deps = { ...real, db: real.db, vectors: real.vectors, events: real.events, queue: { send } };
    const { id, jobId } = await startBackup(deps, NIGHTLY);
    const message = { kind: "backup", workspaceId: "deployment", jobId, part: 1 } as const;
    await Promise.all([continueBackup(deps, message), continueBackup(deps, message)]);
    expect(sent).toEqual([1, 2]);
    const objects = await eventually(
      async () => (await BLOBS.list({ prefix: `backups/${id}/` })).objects,
      (found) => found.length === 1,
    );
    expect(objects).toHaveLength(1);
    // The message for what follows was lost: the cron sends one without a number.
    await continueBackup(deps, { ...message, part: undefined });
    const backup = await (await call("GET", `/v1/backups/${id}`, { key: ROOT_KEY })).json<Backup>();
    expect(backup).toMatchObject({ status: "succeeded", parts: 1 });
  });

  it("tells of a failure by an event, and is followed by another an hour later", async () => {
    const deps = services();
    const { id, jobId } = await startBackup(
      { ...deps, db: deps.db, queue: { send: async () => {} } },
      NIGHTLY,
    );
    expect(await problemOf(await call("POST", "/v1/backups", { key: ROOT_KEY }))).toEqual([409, "conflict"]);
    await failBackup(deps, jobId, "The store is away.");
    const events = await (
      await call("GET", "/v1/security_events?type=backup_failed", { key: ROOT_KEY })
    ).json<{ items: { detail: object }[] }>();
    expect(events.items[0]?.detail).toMatchObject({ backup: id, error: "The store is away." });
    expect((await call("GET", `/v1/backups/${id}/content`, { key: ROOT_KEY })).status).toBe(409);
    expect(await nightlyBackup(deps)).toBeNull();
  });

  it("is deleted, with all of its objects, beyond the number that is kept", async () => {
    const older = await backedUp();
    const newer = await backedUp();
    const deps = services({ BACKUP_RETENTION_COUNT: "1" });
    expect(await retireBackups(deps)).toBeGreaterThan(0);
    expect((await BLOBS.list({ prefix: `backups/${older.id}/` })).objects).toEqual([]);
    expect((await call("GET", `/v1/backups/${older.id}`, { key: ROOT_KEY })).status).toBe(404);
    expect((await contentOf(newer.id)).bytes.length).toBe(newer.bytes);
  });

  it("knows every table: it is backed up, or left out for a reason", async () => {
    const { results } = await DB.prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'd1\\_%' ESCAPE '\\'",
    ).all<{ name: string }>();
    const known = [...BACKED_UP.map(({ name }) => name), ...Object.keys(LEFT_OUT)];
    expect(results.map(({ name }) => name).sort()).toEqual(known.sort());
  });

  it("is refused without a public key to encrypt it to", async () => {
    await expect(startBackup(services({ BACKUP_RECIPIENTS: "" }), NIGHTLY)).rejects.toMatchObject({
      code: "misconfigured",
    });
  });
});
