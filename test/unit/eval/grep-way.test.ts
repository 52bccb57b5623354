import { describe, expect, it } from "vitest";
import { grepWay, grepWords } from "../../../eval/grep-way.ts";

const FILES = [
  { path: "a.ts", text: "// one upload\nconst x = 1;\n" },
  { path: "b.ts", text: "function check(Upload) {}\ncheck(traversal);\n" },
];

describe("an agent with grep", () => {
  it("greps the stems of the question's words, without those of every question", () => {
    expect(grepWords("how are uploads checked for policies?")).toEqual(["upload", "check", "polic"]);
    expect(grepWords("where is it?")).toEqual([]);
  });

  it("begins with the rarest word, and reads to the first line of a right file", () => {
    const way = grepWay(FILES, "uploads and traversal", new Set(["b.ts"]), "line");
    expect(way).toEqual({
      found: true,
      reads: [{ asked: "travers", answered: "b.ts:2:check(traversal);" }],
    });
    expect(grepWay(FILES, "the uploads", new Set(["b.ts"]), "names").reads).toEqual([
      { asked: "upload", answered: "a.ts\nb.ts" },
    ]);
  });

  it("reads whole outputs, as a shell shows them", () => {
    const way = grepWay(FILES, "the uploads", new Set(["a.ts"]), "whole");
    expect(way.reads[0]?.answered.split("\n")).toHaveLength(2);
    const long = [{ path: "z.ts", text: "upload\n".repeat(10_000) }];
    const cut = grepWay(long, "uploads", new Set(["z.ts"]), "whole").reads[0]?.answered ?? "";
    expect(cut.length).toBeLessThanOrEqual(30_000);
  });

  it("has read everything where no word leads there", () => {
    const way = grepWay(FILES, "uploads", new Set(["c.ts"]), "line");
    expect([way.found, way.reads.length]).toEqual([false, 1]);
    expect(way.reads[0]?.answered.split("\n")).toHaveLength(2);
  });
});
