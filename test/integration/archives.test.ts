import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ArchiveError, type Content } from "../../src/files/archive-entry.ts";
import { decompress } from "../../src/files/decompress.ts";
import { openTarGz } from "../../src/files/tar.ts";
import { call, newWorkspace } from "../support/api.ts";
import { gzip, type TestEntry, tar, tarGz } from "../support/archives.ts";
import { finishedJob, jobFilesOf, storedPaths, type TestJob } from "../support/jobs.ts";

const GZIP = "application/gzip";
const ZIP = "application/zip";

async function upload(
  key: string,
  archive: Uint8Array<ArrayBuffer>,
  { type = GZIP, ...query }: { type?: string; path?: string; use_default_ignores?: string } = {},
): Promise<TestJob> {
  const headers = { "content-type": type, "content-length": `${archive.length}` };
  const path = `/v1/files?${new URLSearchParams(query)}`;
  const response = await call("POST", path, { key, raw: archive, headers });
  expect(response.status, await response.clone().text()).toBe(202);
  const { job } = await response.json<{ job: TestJob }>();
  expect(response.headers.get("location")).toBe(`/v1/jobs/${job.id}`);
  return await finishedJob(key, job.id);
}

async function spooled(workspaceId: string): Promise<string[]> {
  const { objects } = await env.BLOBS.list({ prefix: `ws/${workspaceId}/spool/` });
  return objects.map(({ key }) => key);
}

async function entriesOf(packed: Uint8Array<ArrayBuffer>): Promise<{ name: string; content: Content }[]> {
  const entries: { name: string; content: Content }[] = [];
  const archive = openTarGz(async () => new Blob([packed]).stream());
  for await (const { name, read } of archive.entries()) entries.push({ name, content: await read() });
  return entries;
}

describe("POST /v1/files with a tar.gz", () => {
  it("stores and indexes the files, below the folder that was named", async () => {
    const { key } = await newWorkspace();
    const job = await upload(
      key,
      await tarGz([
        { header: { name: "./", size: 0, type: "directory" } },
        ["./src/a.ts", "export const a = 1;\n"],
        ["src/日本語/файл.py", "x = 1\n"],
        [`src/${"deep-folder-name/".repeat(12)}long.md`, "# long\n"],
      ]),
      { path: "vendor/lib" },
    );
    expect(job).toMatchObject({
      kind: "archive",
      status: "succeeded",
      files: { total: 3, done: 3, skipped: 0 },
    });
    expect(await storedPaths(key)).toEqual([
      "vendor/lib/src/a.ts",
      `vendor/lib/src/${"deep-folder-name/".repeat(12)}long.md`,
      "vendor/lib/src/日本語/файл.py",
    ]);
    const content = await call(
      "GET",
      `/v1/files/content?path=${encodeURIComponent("vendor/lib/src/日本語/файл.py")}`,
      { key },
    );
    expect(await content.text()).toBe("x = 1\n");
  });

  it("names what becomes no file as it names files: below the folder", async () => {
    const { key } = await newWorkspace();
    const link = { name: "d/link", size: 0, type: "symlink", linkname: "/etc" } as const;
    const archive = await tarGz([{ header: link }, ["d/a.txt", "a\n"]]);
    const job = await upload(key, archive, { path: "below" });
    const files = await jobFilesOf(key, job.id);
    expect(files.map(({ path }) => path).sort()).toEqual(["below/d/a.txt", "below/d/link"]);
  });

  it("skips what it cannot take, each with its reason, and takes the rest", async () => {
    const { key } = await newWorkspace();
    const job = await upload(
      key,
      await tarGz([
        ["good.ts", "ok\n"],
        ["../escape.ts", "x"],
        ["/etc/passwd", "x"],
        ["a\\b.ts", "x"],
        ["C:/x.ts", "x"],
        ["good.ts", "second\n"],
        ["empty.ts", ""],
        ["inner.tar.gz", await tarGz([["x", "y"]])],
        ["big.csv", "1,2,3\n".repeat(200_000)],
        { header: { name: "link.ts", size: 0, type: "symlink", linkname: "/etc/passwd" } },
        { header: { name: "hard.ts", size: 0, type: "link", linkname: "good.ts" } },
        { header: { name: "null", size: 0, type: "character-device" } },
        { header: { name: "pipe", size: 0, type: "fifo" } },
        { header: { name: "sparse", size: 0, pax: { "GNU.sparse.major": "1" } } },
      ]),
    );
    expect(job).toMatchObject({
      status: "succeeded",
      files: { total: 14, done: 14, skipped: 13, failed: 0 },
    });
    const reasons = (await jobFilesOf(key, job.id)).map(({ path, reason }) => `${path}: ${reason}`);
    expect(reasons.toSorted()).toEqual(
      [
        "../escape.ts: invalid_path",
        "/etc/passwd: invalid_path",
        "C:/x.ts: invalid_path",
        "a\\b.ts: invalid_path",
        "big.csv: too_large",
        "empty.ts: empty",
        "good.ts: duplicate",
        "good.ts: null",
        "hard.ts: ignored",
        "inner.tar.gz: binary",
        "link.ts: ignored",
        "null: ignored",
        "pipe: ignored",
        "sparse: ignored",
      ].toSorted(),
    );
    expect(await storedPaths(key)).toEqual(["big.csv", "empty.ts", "good.ts", "inner.tar.gz"]);
    const content = await call("GET", "/v1/files/content?path=good.ts", { key });
    expect(await content.text()).toBe("ok\n");
  });

  it.each([
    ["no gzip", async () => new TextEncoder().encode("not an archive at all, just text".repeat(50))],
    ["gzip of no tar", async () => gzip("not a tar, just text".repeat(100))],
    ["a cut gzip", async () => (await tarGz(manyFiles(50))).slice(0, 300)],
    ["a cut tar", async () => gzip((await tar(manyFiles(50))).slice(0, 40_000))],
    ["bytes after its end", async () => new Uint8Array([...(await tarGz(manyFiles(3))), 1, 2, 3])],
    [
      "a damaged header",
      async () => {
        const bytes = await tar(manyFiles(3));
        bytes[1024 + 150] = 0x39;
        return gzip(bytes);
      },
    ],
  ])("fails the job of %s with a clear reason", async (_what, make) => {
    const { key } = await newWorkspace();
    const job = await upload(key, (await make()) as Uint8Array<ArrayBuffer>);
    expect(job.status).toBe("failed");
    expect(job.error).toMatch(/damaged or truncated/);
  });

  it("takes nothing of an archive that is damaged anywhere, and keeps nothing of it", async () => {
    const { id, key } = await newWorkspace();
    const bytes = await tar(manyFiles(200));
    bytes[190 * 1024 + 150] = 0x39;
    expect((await upload(key, await gzip(bytes))).status).toBe("failed");
    expect(await storedPaths(key)).toEqual([]);
    expect(await spooled(id)).toEqual([]);
  });

  it("obeys ignore files that the workspace holds above its folder, and its own before older ones", async () => {
    const { key } = await newWorkspace();
    const stored: [path: string, text: string][] = [
      [".gitignore", "*.log\n"],
      ["lib/.gitignore", "*.tmp\n"],
    ];
    for (const [path, raw] of stored) {
      const put = await call("PUT", `/v1/files?path=${path}`, { key, raw });
      expect(put.status).toBe(202);
    }
    const files: TestEntry[] = ["a.ts", "b.log", "c.tmp"].map((name) => [name, `${name} 1\n`]);
    await upload(key, await tarGz(files), { path: "lib" });
    expect((await storedPaths(key)).filter((path) => !path.endsWith("ignore"))).toEqual(["lib/a.ts"]);
    await upload(key, await tarGz([...files, [".gitignore", "!b.log\n"]]), { path: "lib" });
    expect((await storedPaths(key)).filter((path) => !path.endsWith("ignore"))).toEqual([
      "lib/a.ts",
      "lib/b.log",
      "lib/c.tmp",
    ]);
  });

  it("stops a bomb by its ratio", async () => {
    const { key } = await newWorkspace();
    const job = await upload(key, await tarGz([["zeros.txt", new Uint8Array(30 * 1024 * 1024)]]));
    expect(job.status).toBe("failed");
    expect(job.error).toMatch(/over 200 times/);
  });

  it("answers 411, 413, 415 and 400 before anything is stored", async () => {
    const { key } = await newWorkspace();
    const archive = await tarGz([["a", "b"]]);
    const stream = () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(archive);
          controller.close();
        },
      }) as unknown as BodyInit;
    const gz = { "content-type": "application/gzip" };
    const send = async (raw: BodyInit, headers: Record<string, string>, query = "") => {
      const response = await call("POST", `/v1/files${query}`, { key, raw, headers });
      return { status: response.status, code: (await response.json<{ code: string }>()).code };
    };
    for (const type of [GZIP, ZIP]) {
      const answer = await send(stream(), { "content-type": type });
      expect(answer).toEqual({ status: 411, code: "length_required" });
    }
    const huge = { ...gz, "content-length": `${95 * 1024 * 1024 + 1}` };
    expect(await send(archive, huge)).toEqual({ status: 413, code: "payload_too_large" });
    expect((await send(archive, { "content-type": "application/x-tar" })).status).toBe(415);
    expect((await send(archive, { ...gz, "content-encoding": "gzip" })).status).toBe(415);
    expect(await send(archive, { ...gz, "content-length": `${archive.length}` }, "?path=../up")).toEqual({
      status: 400,
      code: "invalid_path",
    });
    expect(await storedPaths(key)).toEqual([]);
  });

  it("loses to what was accepted after it", async () => {
    const { key } = await newWorkspace();
    const archive = await tarGz(manyFiles(150));
    const headers = { "content-type": "application/gzip", "content-length": `${archive.length}` };
    const [posted] = await Promise.all([call("POST", "/v1/files", { key, raw: archive, headers })]);
    const { job } = await posted.json<{ job: TestJob }>();
    const put = await call("PUT", "/v1/files?path=f/149.ts", { key, raw: "newer\n" });
    expect(put.status).toBe(202);
    await finishedJob(key, job.id);
    const content = await call("GET", "/v1/files/content?path=f/149.ts", { key });
    expect(await content.text()).toBe("newer\n");
  });
});

describe("decompress", () => {
  it("unpacks no further ahead than what is read, however well the archive is packed", async () => {
    const packed = await gzip(new Uint8Array(64 * 1024 * 1024));
    let taken = 0;
    const source = (async function* () {
      for (let at = 0; at < packed.length; at += 4096) {
        taken++;
        yield packed.slice(at, at + 4096);
      }
    })();
    let [unpacked, ahead] = [0, 0];
    for await (const bytes of decompress(source, "gzip")) {
      // What was taken is unpacked, and held until it is read.
      ahead = Math.max(ahead, (taken * 4096 * 64 * 1024 * 1024) / packed.length - unpacked);
      unpacked += bytes.length;
    }
    expect(unpacked).toBe(64 * 1024 * 1024);
    expect(ahead).toBeLessThan(17 * 1024 * 1024);
  });
});

describe("openTarGz", () => {
  it("reads back what other tars wrote, byte for byte, whatever the sizes", async () => {
    const sizes = [0, 1, 511, 512, 513, 65_535, 1024 * 1024];
    const entries = sizes.map(
      (size): TestEntry => [`f${size}`, crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536)))],
    );
    const read = await entriesOf(await tarGz(entries));
    expect(read.map(({ content }) => (content.kind === "file" ? content.bytes : null))).toEqual(
      entries.map((entry) => (Array.isArray(entry) ? entry[1] : null)),
    );
  });

  it("hashes a large file as it streams past", async () => {
    const content = new TextEncoder().encode("0123456789abcdef\n".repeat(150_000));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const [entry] = await entriesOf(await tarGz([["big", content]]));
    expect(entry?.content).toEqual({
      kind: "large",
      size: content.length,
      sha256: [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    });
  });

  it("refuses names that are not UTF-8 as paths", async () => {
    const bytes = await tar([["abc", "x"]]);
    bytes[1] = 0xff;
    let sum = 0;
    for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : (bytes[i] ?? 0);
    bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
    const [entry] = await entriesOf(await gzip(bytes));
    expect(entry?.name).toBe("a\uFFFDc\0");
  });

  it("passes on a failure of the source, which is no fault of the archive", async () => {
    const archive = await tarGz(manyFiles(50));
    let sent = false;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent) throw new Error("the store went away");
        sent = true;
        controller.enqueue(archive.slice(0, 200));
      },
    });
    const reading = (async () => {
      for await (const _ of openTarGz(async () => source).entries());
    })();
    await expect(reading).rejects.toThrow("the store went away");
    await expect(reading).rejects.not.toBeInstanceOf(ArchiveError);
  });
});

function manyFiles(count: number): TestEntry[] {
  return Array.from({ length: count }, (_, i): TestEntry => [`f/${i}.ts`, `export const v${i} = ${i};\n`]);
}
