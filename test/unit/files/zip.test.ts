import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { checkPath } from "../../../src/core/path.ts";
import { ArchiveError } from "../../../src/files/archive-entry.ts";
import { openZip } from "../../../src/files/zip.ts";
import { entryName } from "../../../src/files/zip-names.ts";
import { ReadBytes, type TestZipEntry, type TestZipOptions, zip } from "../../support/zip.ts";

interface Read {
  name: string;
  special: string | null;
  text: string | null;
  size: number;
}

/** Everything that is in the archive, each file read and checked. */
async function readAll(bytes: Uint8Array<ArrayBuffer>): Promise<Read[]> {
  const found: Read[] = [];
  for await (const { name, special, read } of openZip(new ReadBytes(bytes)).entries()) {
    const content = special === null ? await read() : null;
    const text = content?.kind === "file" ? new TextDecoder().decode(content.bytes) : null;
    const size = content?.kind === "file" ? content.bytes.length : (content?.size ?? 0);
    found.push({ name, special: special?.message ?? null, text, size });
  }
  return found;
}

async function refusalOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  try {
    await readAll(bytes);
  } catch (error) {
    if (error instanceof ArchiveError) return error.message;
    throw error;
  }
  return "taken";
}

const CORPUS = "../shared/corpora/zip/yauzl/test";
const corpusHere = existsSync(CORPUS);
if (!corpusHere) console.warn(`SKIPPED: ${CORPUS} is absent; the tests with yauzl's archives do not run`);
const corpus = (folder: string) =>
  corpusHere ? readdirSync(join(CORPUS, folder)).filter((name) => name.endsWith(".zip")) : [];
const bytesOf = (folder: string, name: string) =>
  new Uint8Array(readFileSync(join(CORPUS, folder, name))) as Uint8Array<ArrayBuffer>;

describe("openZip", () => {
  it("reads back what was written, stored and deflated, empty and of a MiB", async () => {
    const entries: TestZipEntry[] = [
      { name: "a.ts", content: "const a = 1;\n" },
      { name: "folder/", mode: 0o040755 },
      { name: "folder/b.ts", content: "stored\n", method: 0 },
      { name: "empty", content: "" },
      { name: "empty-stored", content: "", method: 0 },
      { name: "streamed.ts", content: "x\n".repeat(1000), descriptor: true },
      { name: "big", content: "0123456789abcde\n".repeat(65_536) },
    ];
    for (const options of [{}, { zip64: true }, { comment: "made by a test" }] satisfies TestZipOptions[]) {
      const read = await readAll(zip(entries, options));
      expect(read.map(({ name, text }) => [name, text])).toEqual(
        entries.filter(({ name }) => name !== "folder/").map(({ name, content }) => [name, content]),
      );
    }
    expect(await readAll(zip([]))).toEqual([]);
  });

  it("takes names in UTF-8 with and without the flag, in code page 437, and by the Unicode path field", async () => {
    const cp437 = new Uint8Array([0x81, 0x62, 0x84, 0x2e, 0x63]);
    const read = await readAll(
      zip([
        { name: "日本語/файл.py" },
        { name: new TextEncoder().encode("naïve.ts") },
        { name: cp437 },
        { name: "bad", local: {} },
      ]),
    );
    expect(read.map(({ name }) => name)).toEqual(["日本語/файл.py", "naïve.ts", "übä.c", "bad"]);
    const broken = entryName(new Uint8Array([0x61, 0xff]), 0x800, [], () => 0);
    expect(checkPath(broken)).toMatchObject({ ok: false });
    const utf8 = new TextEncoder().encode("ünï.ts");
    const field = new Uint8Array([1, 7, 0, 0, 0, ...utf8]);
    const extra = [{ id: 0x7075, bytes: field }];
    expect(entryName(cp437, 0, extra, () => 7)).toBe("ünï.ts");
    // The field was made for another name: a tool renamed the entry and did not know it.
    expect(entryName(cp437, 0, extra, () => 8)).toBe("übä.c");
  });

  it("tells links, devices and encrypted entries from files, and does not read them", async () => {
    const read = await readAll(
      zip([
        { name: "link", content: "/etc/passwd", mode: 0o120777 },
        { name: "device", mode: 0o020600 },
        { name: "block", mode: 0o060600 },
        { name: "pipe", mode: 0o010600 },
        { name: "socket", mode: 0o140600 },
        { name: "locked", content: "gibberish", flags: 1 },
        { name: "plain", content: "x", mode: 0 },
      ]),
    );
    expect(
      read.map(({ name, special }) => [name, special?.split(";")[0]?.replace(/\.$/, "") ?? null]),
    ).toEqual([
      ["link", "The entry is a symbolic link"],
      ["device", "The entry is a device"],
      ["block", "The entry is a device"],
      ["pipe", "The entry is a named pipe"],
      ["socket", "The entry is a socket"],
      ["locked", "The entry is encrypted"],
      ["plain", null],
    ]);
  });

  const file = { name: "a.ts", content: "const a = 1;\n" };
  const zeros = new Uint8Array(30 * 2 ** 20);
  it.each<[string, TestZipEntry[], TestZipOptions, RegExp]>([
    ["a bomb of one file", [{ name: "zeros", content: zeros }], {}, /over 200 times its size/],
    [
      "more than two GiB",
      [0, 1].map((i) => ({ ...file, name: `${i}`, claimed: { bytes: 2 ** 30 + 1 } })),
      {},
      /over 2147483648 bytes/,
    ],
    ["a size that is too small", [{ ...file, claimed: { bytes: 5 } }], {}, /does not unpack to the size/],
    ["a size that is too large", [{ ...file, claimed: { bytes: 50 } }], {}, /does not unpack to the size/],
    [
      "bytes behind the packed data",
      [{ ...file, packed: new Uint8Array([...deflateRawSync(file.content), 1, 2]) }],
      {},
      /is damaged/,
    ],
    [
      "data that is cut",
      [{ ...file, packed: deflateRawSync(file.content).subarray(0, 8) }],
      {},
      /is damaged/,
    ],
    ["noise for data", [{ ...file, packed: new Uint8Array(20).fill(0xfe) }], {}, /is damaged/],
    ["another checksum", [{ ...file, claimed: { crc: 1 } }], {}, /is damaged/],
    ["two names", [{ ...file, local: { name: "b.ts" } }], {}, /differ in its name/],
    ["two methods", [{ ...file, local: { method: 0 } }], {}, /differ in its compression method/],
    ["two sizes", [{ ...file, local: { bytes: 12 } }], {}, /differ in its size/],
    [
      "encryption in one header alone",
      [{ ...file, local: { flags: 0x801 } }],
      {},
      /differ in its encryption/,
    ],
    ["entries over the same bytes", [file, { ...file, name: "b.ts", claimed: { offset: 0 } }], {}, /overlap/],
    [
      "data that reaches into the next entry",
      [{ ...file, claimed: { packedBytes: 30 } }, file],
      {},
      /overlap/,
    ],
    ["data that reaches into the directory", [{ ...file, claimed: { packedBytes: 40 } }], {}, /reach past/],
    ["bytes before its first entry", [file], { prefix: new Uint8Array(10) }, /is not where/],
    ["a missing entry", [file], { entries: 2 }, /too small|damaged/],
    ["an entry that is not counted", [file, file], { entries: 1 }, /holds more than its entries/],
    ["a method from before 1993", [{ ...file, method: 6 }], {}, /method 6 is not supported/],
    ["strong encryption", [{ ...file, flags: 0x40 }], {}, /strong encryption/],
    ["too many entries", [file], { entries: 100_001, zip64: true }, /over 100000 entries/],
  ])("refuses %s", async (_what, entries, options, reason) => {
    expect(await refusalOf(zip(entries, options))).toMatch(reason);
  });

  it("refuses every truncation, and says nothing but an ArchiveError of any flipped byte", async () => {
    const whole = zip([file, { name: "b.ts", content: "b\n".repeat(50), descriptor: true }]);
    for (let length = 0; length < whole.length; length++) {
      expect(await refusalOf(whole.slice(0, length))).not.toBe("taken");
    }
    for (let i = 0; i < whole.length; i++) {
      const flipped = whole.slice();
      flipped[i] = (flipped[i] ?? 0) ^ 0x41;
      await refusalOf(flipped);
    }
  });

  it("reads 100,000 entries in any order of the directory, each byte about once", async () => {
    const bytes = zip(
      Array.from({ length: 100_000 }, (_, i) => ({ name: `f/${i}.ts`, content: `${i}`, method: 0 })),
      { zip64: true },
    );
    const access = new ReadBytes(bytes);
    let last = 0;
    let count = 0;
    for await (const { number, verify } of openZip(access).entries()) {
      expect(number).toBe(last + 1);
      last = number;
      count++;
      if (number % 1000 === 0) await verify();
    }
    expect(count).toBe(100_000);
    expect(access.bytesRead).toBeLessThan(bytes.length * 1.5);
  }, 60_000);
});

describe.skipIf(!corpusHere)("yauzl's archives", () => {
  it.each(corpus("failure"))("refuses %s", async (name) => {
    expect(await refusalOf(bytesOf("failure", name))).toMatch(/^[A-Z].*\.$/);
  });

  /** A method that does not exist, and a directory that names another file than the local header. */
  const REFUSED: Record<string, RegExp> = {
    "bogus-compression-method.zip": /Compression method \d+ is not supported/,
    "sloppy-filenames.zip": /differ in its name/,
  };
  /** What they hold has other names in the corpus, or stands for a thousand files. */
  const RENAMED = new Set(["everything.zip", "unicode.zip", "unicode-path-extra-field.zip"]);

  it("takes the name of the Unicode path field that belongs to the entry", async () => {
    const [entry] = await readAll(bytesOf("success", "unicode-path-extra-field.zip"));
    expect(entry?.name).toBe("七个房间.txt");
  });

  it.each(corpus("success"))("takes %s", async (name) => {
    const bytes = bytesOf("success", name);
    const refused = REFUSED[name];
    if (refused !== undefined) return expect(await refusalOf(bytes)).toMatch(refused);
    const folder = join(CORPUS, "success", name.replace(/\.zip$/, ""));
    const expected = !existsSync(folder)
      ? null
      : readdirSync(folder, { recursive: true, encoding: "utf8" })
          .filter(
            (path) =>
              statSync(join(folder, path)).isFile() && !path.endsWith(".git_please_make_this_directory"),
          )
          .toSorted();
    const read = await readAll(bytes);
    if (name.includes("encryption")) return expect(read.every(({ special }) => special !== null)).toBe(true);
    const names = read.map((entry) => entry.name.replaceAll("\\", "/")).toSorted();
    if (expected !== null && !RENAMED.has(name)) expect(names).toEqual(expected);
    for (const entry of read) {
      if (!expected?.includes(entry.name) || entry.text === null) continue;
      const content = readFileSync(join(folder, entry.name.replaceAll("\\", "/")));
      expect(entry.size).toBe(content.length);
      expect(entry.text).toBe(new TextDecoder().decode(content));
    }
  });
});
