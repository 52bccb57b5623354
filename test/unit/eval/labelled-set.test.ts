import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { queriesOf } from "../../../eval/feedback-set.ts";
import { readSet } from "../../../eval/labelled-set.ts";
import { ownSourceSet } from "../../../eval/own-source.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "devflow-set-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const QUERY = '{"query": "where", "relevant": ["src/a.ts", {"path": "b", "start_line": 2, "end_line": 3}]}\n';

describe("readSet", () => {
  it("takes what is searched from a corpus, plain or compressed, or a folder", () => {
    writeFileSync(join(folder, "queries.jsonl"), `${QUERY}\n`);
    expect(readSet(folder).files).toBeNull();
    mkdirSync(join(folder, "files/src"), { recursive: true });
    writeFileSync(join(folder, "files/src/a.ts"), "a");
    expect(readSet(folder).files).toEqual([{ path: "src/a.ts", text: "a" }]);
    writeFileSync(join(folder, "corpus.jsonl.gz"), gzipSync('{"path": "b", "text": "b"}\n'));
    expect(readSet(folder).files).toEqual([{ path: "b", text: "b" }]);
    expect(readSet(folder).queries[0]?.relevant).toHaveLength(2);
  });

  it("takes queries alone, for a server that has the files", () => {
    writeFileSync(join(folder, "mine.jsonl"), QUERY);
    expect(readSet(join(folder, "mine.jsonl"))).toMatchObject({ name: "mine", files: null });
  });

  it.each([
    ["nowhere", null, "does not exist"],
    ["", null, "has no queries.jsonl"],
    ["queries.jsonl", "\n", "holds no query"],
    ["queries.jsonl", `${QUERY}{"query": }`, "queries.jsonl:2: not JSON"],
    ["queries.jsonl", '{"query": "a", "relevant": []}', "queries.jsonl:1: "],
    ["queries.jsonl", '{"query": "a", "relevant": [{"path": "a", "start_line": 3, "end_line": 2}]}', ":1: "],
  ])("says what is wrong: %s %s", (name, text, message) => {
    if (text !== null) writeFileSync(join(folder, name), text);
    expect(() => readSet(join(folder, name))).toThrow(message);
  });
});

describe("ownSourceSet", () => {
  it("names only files that it brings", () => {
    const { queries, files } = ownSourceSet();
    const paths = new Set(files?.map(({ path }) => path));
    expect(queries.flatMap(({ relevant }) => relevant).filter((path) => !paths.has(path as string))).toEqual(
      [],
    );
  });
});

describe("queriesOf", () => {
  it("makes a query of each text that was rated up, with all its places once", () => {
    const rated = { query: "a", rating: "up" as const, path: "x", start_line: 1, end_line: 2 };
    expect(
      queriesOf([rated, rated, { ...rated, path: "y" }, { ...rated, query: "b", rating: "down" }]),
    ).toEqual([
      {
        query: "a",
        relevant: [
          { path: "x", start_line: 1, end_line: 2 },
          { path: "y", start_line: 1, end_line: 2 },
        ],
      },
    ]);
  });
});
