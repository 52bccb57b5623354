import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { IndexingMessage, MessageQueue } from "../../src/core/ports.ts";
import { uploadArchive } from "../../src/files/archive.ts";
import { type Archive, ArchiveError } from "../../src/files/archive-entry.ts";
import { StoredObject } from "../../src/files/stored-object.ts";
import { unpackArchive } from "../../src/files/unpack-archive.ts";
import { openZip } from "../../src/files/zip.ts";
import type { Services } from "../../src/services.ts";
import { call, newWorkspace, ROOT_KEY, type TestWorkspace } from "../support/api.ts";
import { tarGz } from "../support/archives.ts";
import { services } from "../support/indexing.ts";
import { finishedJob, jobFilesOf, storedPaths, type TestJob } from "../support/jobs.ts";
import { type TestZipEntry, zip } from "../support/zip.ts";

async function upload(key: string, archive: Uint8Array<ArrayBuffer>, query = ""): Promise<TestJob> {
  const headers = { "content-type": "application/zip", "content-length": `${archive.length}` };
  const response = await call("POST", `/v1/files${query}`, { key, raw: archive, headers });
  expect(response.status, await response.clone().text()).toBe(202);
  const { job } = await response.json<{ job: TestJob }>();
  return await finishedJob(key, job.id);
}

async function reasonsOf(key: string, job: TestJob): Promise<string[]> {
  const files = await jobFilesOf(key, job.id);
  return files.map(({ path, reason }) => `${path}: ${reason}`).toSorted();
}

function manyFiles(count: number): TestZipEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `f/${String(i).padStart(4, "0")}.ts`,
    content: `export const v${i} = ${i};\n`,
  }));
}

async function stored(bytes: Uint8Array<ArrayBuffer>): Promise<Archive> {
  const key = `test/${crypto.randomUUID()}`;
  await env.BLOBS.put(key, bytes);
  return openZip(new StoredObject(env.BLOBS, key, bytes.length));
}

describe("POST /v1/files with a zip", () => {
  it("stores and indexes the files, below the folder that was named, and keeps no archive", async () => {
    const { id, key } = await newWorkspace();
    const archive = zip([
      { name: "src/", mode: 0o040755 },
      { name: "src/a.ts", content: "export const zipped = 1;\n" },
      { name: "src/日本語/файл.py", content: "x = 1\n", method: 0 },
      { name: "streamed.md", content: "# streamed\n", descriptor: true },
    ]);
    const job = await upload(key, archive, "?path=lib");
    expect(job).toMatchObject({
      kind: "archive",
      status: "succeeded",
      files: { total: 3, done: 3, skipped: 0 },
    });
    expect(await storedPaths(key)).toEqual(["lib/src/a.ts", "lib/src/日本語/файл.py", "lib/streamed.md"]);
    const found = await call("POST", "/v1/search", { key, body: { query: "zipped", mode: "lexical" } });
    expect(await found.text()).toContain("lib/src/a.ts");
    const { objects } = await env.BLOBS.list({ prefix: `ws/${id}/spool/` });
    expect(objects).toEqual([]);
    expect(await upload(key, archive, "?path=lib")).toMatchObject({ files: { unchanged: 3 } });
  });

  it("skips what it cannot take, each with its reason, and takes the rest", async () => {
    const { key } = await newWorkspace();
    const job = await upload(
      key,
      zip([
        { name: "good.ts", content: "ok\n" },
        { name: "../escape.ts", content: "x" },
        { name: "/etc/passwd", content: "x" },
        { name: "a\\b.ts", content: "x" },
        { name: "C:/x.ts", content: "x" },
        { name: "good.ts", content: "second\n" },
        { name: "empty.ts" },
        { name: "inner.zip", content: zip([{ name: "x", content: "y" }]) },
        { name: "big.csv", content: "1,2,3\n".repeat(200_000) },
        { name: "link.ts", content: "/etc/passwd", mode: 0o120777 },
        { name: "null", mode: 0o020666 },
        { name: "locked.ts", content: "gibberish", flags: 1 },
        { name: new Uint8Array([0x61, 0xff]), flags: 0x800 },
      ]),
    );
    expect(job).toMatchObject({
      status: "succeeded",
      files: { total: 13, done: 13, skipped: 12, failed: 0 },
    });
    expect(await reasonsOf(key, job)).toEqual(
      [
        "../escape.ts: invalid_path",
        "/etc/passwd: invalid_path",
        "C:/x.ts: invalid_path",
        "a\\b.ts: invalid_path",
        "a\uFFFD\uFFFD: invalid_path",
        "big.csv: too_large",
        "empty.ts: empty",
        "good.ts: duplicate",
        "good.ts: null",
        "inner.zip: binary",
        "link.ts: ignored",
        "locked.ts: binary",
        "null: ignored",
      ].toSorted(),
    );
    const content = await call("GET", "/v1/files/content?path=good.ts", { key });
    expect(await content.text()).toBe("ok\n");
  });

  it.each<[string, () => Uint8Array<ArrayBuffer>, RegExp]>([
    ["text", () => new Uint8Array(30), /no end of central directory record/],
    ["a bomb", () => zip([{ name: "zeros", content: new Uint8Array(30 * 2 ** 20) }]), /over 200 times/],
    [
      "damage in its last file",
      () => zip([...manyFiles(150), { name: "z", content: "z", claimed: { crc: 7 } }]),
      /"z" is damaged/,
    ],
    [
      "two names of its last file",
      () => zip([...manyFiles(150), { name: "z", content: "z", local: { name: "y" } }]),
      /differ in its name/,
    ],
  ])("fails the job of %s with a clear reason, and takes nothing of it", async (_what, make, reason) => {
    const { id, key } = await newWorkspace();
    const job = await upload(key, make());
    expect(job.status).toBe("failed");
    expect(job.error).toMatch(reason);
    expect(await storedPaths(key)).toEqual([]);
    const { objects } = await env.BLOBS.list({ prefix: `ws/${id}/` });
    expect(objects).toEqual([]);
  });

  it("fails the job where the workspace is full, with the quota's words", async () => {
    const { id, key } = await newWorkspace();
    const body = { max_files: 120 };
    expect((await call("PATCH", `/v1/workspaces/${id}`, { key: ROOT_KEY, body })).status).toBe(200);
    const job = await upload(key, zip(manyFiles(150)));
    expect(job).toMatchObject({ status: "failed", error: "The workspace may hold 120 files." });
    const { objects } = await env.BLOBS.list({ prefix: `ws/${id}/spool/` });
    expect(objects).toEqual([]);
  });
});

describe("ignore rules of an upload", () => {
  const tree: Record<string, string> = {
    "src/kept.ts": "kept\n",
    "src/left.log": "left\n",
    "node_modules/x/index.js": "dependency\n",
    "package-lock.json": "{}\n",
    // After what they speak of.
    "src/.gitignore": "*.log\n",
    ".devflowignore": "secret.txt\n",
    "secret.txt": "left\n",
  };
  const entries = Object.entries(tree);
  const TAKEN = [".devflowignore", "src/.gitignore", "src/kept.ts"];

  async function sent(workspace: TestWorkspace, kind: string, query: string): Promise<TestJob> {
    const form = new FormData();
    for (const [name, text] of entries) form.append("files", new Blob([text]), name);
    const archive =
      kind === "zip"
        ? zip(entries.map(([name, content]) => ({ name, content })))
        : await tarGz(entries.map(([name, content]) => [name, content] as [string, string]));
    const type = kind === "zip" ? "application/zip" : "application/gzip";
    const response =
      kind === "multipart"
        ? await call("POST", `/v1/files?path=p${query}`, { key: workspace.key, raw: form })
        : await call("POST", `/v1/files?path=p${query}`, {
            key: workspace.key,
            raw: archive,
            headers: { "content-type": type, "content-length": `${archive.length}` },
          });
    const { job } = await response.json<{ job: TestJob }>();
    return finishedJob(workspace.key, job.id);
  }

  it.each(["zip", "tar.gz", "multipart"])(
    "count for all of a %s, wherever they stand in it",
    async (kind) => {
      const workspace = await newWorkspace();
      const job = await sent(workspace, kind, "");
      expect(await storedPaths(workspace.key)).toEqual(TAKEN.map((path) => `p/${path}`));
      const skipped = (await jobFilesOf(workspace.key, job.id)).filter(({ status }) => status === "skipped");
      expect(skipped.map(({ path, reason }) => `${path}: ${reason}`)).toEqual([
        "p/node_modules/x/index.js: ignored",
        "p/package-lock.json: generated",
        "p/secret.txt: ignored",
        "p/src/left.log: ignored",
      ]);
      expect(skipped.find(({ path }) => path === "p/src/left.log")?.message).toMatch(
        /src\/\.gitignore, line 1/,
      );
    },
  );

  it.each(["zip", "tar.gz", "multipart"])(
    "leave only what the %s itself says, without the defaults",
    async (kind) => {
      const workspace = await newWorkspace();
      await sent(workspace, kind, "&use_default_ignores=false");
      const all = [...TAKEN, "node_modules/x/index.js", "package-lock.json"].toSorted();
      expect(await storedPaths(workspace.key)).toEqual(all.map((path) => `p/${path}`));
    },
  );

  it("refuse an archive whose ignore files are too large to be followed", async () => {
    const { key } = await newWorkspace();
    const job = await upload(key, zip([{ name: ".gitignore", content: "x\n".repeat(40_000) }]));
    expect(job).toMatchObject({
      status: "failed",
      error: expect.stringMatching(/ignore file is larger than/),
    });
  });
});

describe("unpackArchive", () => {
  /** A job of that archive, and its messages in hand instead of in the queue. */
  async function started(
    archive: Uint8Array<ArrayBuffer>,
    form: "zip" | "tar.gz",
    fault?: Partial<Services>,
  ) {
    const workspace = await newWorkspace();
    const sent: IndexingMessage[] = [];
    const queue: MessageQueue = {
      async send(messages) {
        sent.push(...messages);
      },
    };
    const deps: Services = { ...services(), ...fault, queue };
    const uploader = { workspaceId: workspace.id, keyId: null, requestId: null, ip: null, route: null };
    const jobId = await uploadArchive(deps, uploader, {
      form,
      folder: null,
      body: new Blob([archive]).stream(),
      bytes: archive.length,
      allowSecrets: false,
      useDefaultIgnores: true,
    });
    return { ...workspace, deps, sent, message: { workspaceId: workspace.id, jobId } };
  }

  const unpackedOf = async (jobId: string) => {
    const row = await env.DB.prepare("SELECT spec ->> 'unpacked' AS n FROM jobs WHERE id = ?")
      .bind(jobId)
      .first();
    return Number(row?.["n"] ?? 0);
  };

  const archives = {
    zip: () => zip([...manyFiles(350), { name: "f/0001.ts", content: "twice\n" }]),
    "tar.gz": () =>
      tarGz(
        [...manyFiles(350), { name: "f/0001.ts", content: "twice\n" }].map(
          ({ name, content }) => [name, content] as [string, string],
        ),
      ),
  };

  it.each(["zip", "tar.gz"] as const)(
    "does a slice of a %s, and goes on by a message of its own",
    async (form) => {
      const { key, deps, sent, message } = await started(await archives[form](), form);
      const progress: number[] = [];
      for (let turns = 0; turns < 10; turns++) {
        expect(sent.shift()).toMatchObject({ kind: "archive" });
        await unpackArchive(deps, message, { entries: 100, milliseconds: 60_000 });
        progress.push(await unpackedOf(message.jobId));
        while (sent[0]?.kind === "index") sent.shift();
        if (sent.length === 0) break;
      }
      expect(progress).toEqual([100, 200, 300, 300]);
      const files = await env.DB.prepare(
        "SELECT status, count(*) AS n FROM job_files WHERE job_id = ? GROUP BY status",
      )
        .bind(message.jobId)
        .all();
      // The second of that name is known for one, though the first was read by an earlier message.
      expect(files.results).toEqual([
        { status: "pending", n: 350 },
        { status: "skipped", n: 1 },
      ]);
      const { objects } = await env.BLOBS.list({ prefix: `ws/${message.workspaceId}/spool/` });
      expect(objects).toEqual([]);
      expect((await storedPaths(key)).length).toBe(100);
    },
  );

  it.each(["zip", "tar.gz"] as const)(
    "goes on where it stood when it is delivered again after a crash in a %s",
    async (form) => {
      let puts = 0;
      const crashing = {
        ...env.BLOBS,
        get: env.BLOBS.get.bind(env.BLOBS),
        head: env.BLOBS.head.bind(env.BLOBS),
        delete: env.BLOBS.delete.bind(env.BLOBS),
        put: async (key: string, value: Uint8Array) => {
          puts++;
          if (puts === 250) throw new Error("the isolate is gone");
          return env.BLOBS.put(key, value);
        },
      } as unknown as R2Bucket;
      const { deps, message } = await started(await archives[form](), form, { blobs: crashing });
      await expect(unpackArchive(deps, message)).rejects.toThrow("the isolate is gone");
      const before = puts;
      await unpackArchive(deps, message);
      // Two groups were accepted, of which the second is not noted yet; its files are found to be there.
      expect(puts - before).toBeLessThanOrEqual(152);
      const row = await env.DB.prepare(
        "SELECT count(*) AS n FROM files WHERE workspace_id = ? AND status = 'pending'",
      )
        .bind(message.workspaceId)
        .first();
      expect(row).toEqual({ n: 350 });
      await unpackArchive(deps, message);
      const total = await env.DB.prepare("SELECT count(*) AS n FROM job_files WHERE job_id = ?")
        .bind(message.jobId)
        .first();
      expect(total).toEqual({ n: 351 });
    },
  );

  it("ends where the job was cancelled, and goes on from there when it is retried", async () => {
    // Empty: nothing of them is embedded, and the test need not wait for that.
    const empty = manyFiles(250).map(({ name }) => ({ name, content: "" }));
    const { key, deps, message } = await started(zip(empty), "zip");
    await unpackArchive(deps, message, { entries: 100, milliseconds: 60_000 });
    expect((await call("POST", `/v1/jobs/${message.jobId}/cancel`, { key })).status).toBe(200);
    await unpackArchive(deps, message);
    expect(await unpackedOf(message.jobId)).toBe(100);
    // The retry's messages go through the Worker's own queue.
    expect((await call("POST", `/v1/jobs/${message.jobId}/retry`, { key })).status).toBe(202);
    const job = await finishedJob(key, message.jobId);
    expect(job).toMatchObject({ status: "succeeded", files: { total: 250, skipped: 250 } });
    const { objects } = await env.BLOBS.list({ prefix: `ws/${message.workspaceId}/spool/` });
    expect(objects).toEqual([]);
  });
});

describe("openZip over R2", () => {
  it("hashes a large file as it streams past, and stops at the size that was said", async () => {
    const content = new TextEncoder().encode("0123456789abcdef\n".repeat(400_000));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    for (const method of [0, 8]) {
      const archive = await stored(zip([{ name: "big", content, method }]));
      for await (const { read } of archive.entries()) {
        expect(await read()).toEqual({ kind: "large", size: content.length, sha256 });
      }
    }
    const lying = await stored(zip([{ name: "big", content, claimed: { bytes: 2 ** 20 + 1 } }]));
    const reading = (async () => {
      for await (const { read } of lying.entries()) await read();
    })();
    await expect(reading).rejects.toThrow(/does not unpack to the size/);
    await expect(reading).rejects.toBeInstanceOf(ArchiveError);
  });

  it("passes on a failure of the store, which is no fault of the archive", async () => {
    const bytes = zip(manyFiles(3));
    const reading = (async () => {
      for await (const _ of openZip(new StoredObject(env.BLOBS, "nothing/here", bytes.length)).entries());
    })();
    await expect(reading).rejects.not.toBeInstanceOf(ArchiveError);
  });
});
