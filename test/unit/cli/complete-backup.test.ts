import { createHash } from "node:crypto";
import { unpackTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { completePart } from "../../../cli/complete-backup.ts";
import { Deletions } from "../../../cli/deletions.ts";
import { padding, TAR_END, tarHeader } from "../../../src/backup/archive-format.ts";

const WS = "ws_one";
const GONE = "ws_gone";
const SINCE = 1_000;
const utf8 = (text: string) => new TextEncoder().encode(text);
const lines = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const none = Deletions.parse("", SINCE);

function tar(entries: Record<string, string>): Uint8Array<ArrayBuffer> {
  const chunks = Object.entries(entries).flatMap(([name, text]) => {
    const bytes = utf8(text);
    return [tarHeader(name, bytes.length, 7), bytes, padding(bytes.length)];
  });
  return new Uint8Array(Buffer.concat([...chunks, TAR_END]));
}

async function contentOf(plain: Uint8Array): Promise<Record<string, string>> {
  const entries = await unpackTar(plain);
  return Object.fromEntries(entries.map(({ header, data }) => [header.name, new TextDecoder().decode(data)]));
}

const reference = (blob: string, text: string, part = 1) => ({
  blob,
  sha256: createHash("sha256").update(text).digest("hex"),
  size: text.length,
  backup: "bak_0",
  part,
});
const file = (path: string, blob: string, generation: number, workspace = WS) => ({
  workspace_id: workspace,
  path,
  generation,
  blob,
});
const earlier = tar({ [`blobs/${WS}/b1`]: "one", [`blobs/${WS}/b2`]: "two" });
const archives = new Map([["bak_0", async () => earlier]]);
const ROWS = lines(file("a", "b1", 3), file("b", "b2", 4), file("c", "b3", 5));
const PART = {
  [`vectors/${WS}/1.jsonl`]: lines({ path: "a", id: "1" }, { path: "b", id: "2" }),
  [`blobs/${WS}/b3`]: "three",
  [`references/${WS}/1.jsonl`]: lines(reference("b1", "one"), reference("b2", "two")),
  "d1/files/1.jsonl": ROWS,
};

describe("a part that is completed", () => {
  it("holds the blobs that it referred to, before the rows that need them, and counts them", async () => {
    const { plain, counts, leftOut } = await completePart(tar(PART), archives, none);
    const content = await contentOf(plain);
    expect(Object.keys(content)).toEqual([
      `vectors/${WS}/1.jsonl`,
      ...["b3", "b1", "b2"].map((blob) => `blobs/${WS}/${blob}`),
      "d1/files/1.jsonl",
    ]);
    expect(content).toMatchObject({ [`blobs/${WS}/b1`]: "one", "d1/files/1.jsonl": ROWS });
    expect(counts).toEqual({ rows: { files: 3 }, blobs: 3, blobBytes: 11, vectors: 2 });
    expect(leftOut).toEqual({ files: 0, workspaces: 0 });
    expect((await completePart(tar(PART), archives, none)).plain).toEqual(plain);
  });

  it("is refused where a reference leads to other bytes, or to none", async () => {
    const changed = { ...PART, [`references/${WS}/1.jsonl`]: lines(reference("b1", "other")) };
    await expect(completePart(tar(changed), archives, none)).rejects.toThrow("not what the backup refers to");
    const lost = { ...PART, [`references/${WS}/1.jsonl`]: lines(reference("b9", "one")) };
    await expect(completePart(tar(lost), archives, none)).rejects.toThrow(`does not hold blobs/${WS}/b9`);
    await expect(completePart(tar(PART), new Map(), none)).rejects.toThrow("bak_0");
  });

  it("leaves out files and workspaces that were deleted since, with their vectors and bytes", async () => {
    const deletions = Deletions.parse(
      lines(
        { workspace_id: WS, path: "a", generation: 9, deleted_at: SINCE },
        // Uploaded again since: the row is of a later generation.
        { workspace_id: WS, path: "b", generation: 4, deleted_at: SINCE + 1 },
        // Of before the backup.
        { workspace_id: WS, path: "c", generation: 9, deleted_at: SINCE - 1 },
        { workspace_id: GONE, path: null, generation: null, deleted_at: SINCE + 5 },
        { until: "2026-01-01T00:00:00.000Z" },
      ),
      SINCE,
    );
    const plain = tar({
      "d1/workspaces/1.jsonl": lines({ id: WS }, { id: GONE }),
      "d1/api_keys/1.jsonl": lines({ id: "key", workspace_id: GONE }),
      ...PART,
      [`blobs/${GONE}/b7`]: "seven",
      "d1/files/2.jsonl": lines(file("a", "b7", 1, GONE)),
    });
    const completed = await completePart(plain, archives, deletions);
    const content = await contentOf(completed.plain);
    expect(Object.keys(content)).toEqual([
      "d1/workspaces/1.jsonl",
      `vectors/${WS}/1.jsonl`,
      `blobs/${WS}/b3`,
      `blobs/${WS}/b2`,
      "d1/files/1.jsonl",
    ]);
    expect(content[`vectors/${WS}/1.jsonl`]).toBe(lines({ path: "b", id: "2" }));
    expect(content["d1/files/1.jsonl"]).toBe(lines(file("b", "b2", 4), file("c", "b3", 5)));
    expect(completed.counts).toEqual({
      rows: { workspaces: 1, files: 2 },
      blobs: 2,
      blobBytes: 8,
      vectors: 1,
    });
    expect(completed.leftOut).toEqual({ files: 2, workspaces: 1 });
    expect(deletions.until).toBe("2026-01-01T00:00:00.000Z");
  });
});
