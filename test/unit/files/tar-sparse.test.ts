import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackTar } from "modern-tar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SPARSE_MARK, withoutSparse } from "../../../src/files/tar-sparse.ts";

const LONG = `deep/${"long-folder-name/".repeat(15)}file.ts`;
let folder = "";

/** Whether this machine has GNU tar: others know no such files. */
const gnu = (() => {
  try {
    return execFileSync("tar", ["--version"], { encoding: "utf8" }).includes("GNU tar");
  } catch {
    return false;
  }
})();
if (!gnu) console.warn("SKIPPED: there is no GNU tar; the tests of its sparse files do not run");

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "devflow-sparse-"));
  writeFileSync(join(folder, "a.ts"), "before\n");
  writeFileSync(join(folder, "z.ts"), "after\n".repeat(100));
  mkdirSync(join(folder, LONG, ".."), { recursive: true });
  writeFileSync(join(folder, LONG), "long\n");
  const file = openSync(join(folder, "holes.bin"), "w");
  // More holes than fit into the header: the map goes on in further blocks.
  for (let i = 0; i < 60; i++) writeSync(file, "data", i * 1024 * 1024);
  closeSync(file);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function parts(bytes: Uint8Array, length: number): Promise<Uint8Array> {
  const source = (async function* () {
    for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
  })();
  const out: Uint8Array[] = [];
  for await (const part of withoutSparse(source)) out.push(part.slice());
  return new Uint8Array(Buffer.concat(out));
}

function packed(format: string, ...names: string[]): Uint8Array {
  const archive = join(folder, `${format}.tar`);
  execFileSync("tar", [`--format=${format}`, "--sparse", "-cf", archive, "-C", folder, ...names]);
  const bytes = new Uint8Array(readFileSync(archive));
  rmSync(archive);
  return bytes;
}

describe.skipIf(!gnu)("withoutSparse", () => {
  it.each([512, 1000, 1 << 20])(
    "puts a pipe in the place of a sparse file, in parts of %i bytes",
    async (length) => {
      const bytes = packed("gnu", "a.ts", "holes.bin", LONG, "z.ts");
      const entries = await unpackTar(await parts(bytes, length), { strict: true });
      expect(entries.map(({ header }) => [header.name, header.type, header.linkname])).toEqual([
        ["a.ts", "file", ""],
        ["holes.bin", "fifo", SPARSE_MARK],
        [LONG, "file", ""],
        ["z.ts", "file", ""],
      ]);
      expect(new TextDecoder().decode(entries[3]?.data)).toBe("after\n".repeat(100));
    },
  );

  it.each(["gnu", "pax"])("passes a %s archive as it is where nothing in it is sparse", async (format) => {
    const bytes = packed(format, "a.ts", "z.ts", "deep");
    expect(Buffer.compare(await parts(bytes, 777), bytes)).toBe(0);
  });

  it("passes what is cut, for the decoder to tell of", async () => {
    const bytes = packed("gnu", "a.ts", "z.ts");
    for (const length of [0, 100, 600, 1500]) {
      expect(Buffer.compare(await parts(bytes.slice(0, length), 300), bytes.slice(0, length))).toBe(0);
    }
  });
});
