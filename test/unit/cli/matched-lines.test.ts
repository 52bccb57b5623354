import { createColors } from "picocolors";
import { describe, expect, it } from "vitest";
import type { Context } from "../../../cli/context.ts";
import { showMatchedLines } from "../../../cli/matched-lines.ts";
import type { SearchAnswer, SearchHit } from "../../../client/types.ts";

function shown(
  hits: (Pick<SearchHit, "path" | "start_line" | "text"> & { matches: string[] })[],
  around = 0,
) {
  const printed: string[] = [];
  const results = hits.map(({ matches, ...hit }) => ({
    ...hit,
    highlights: matches.map((match) => {
      const start = hit.text.indexOf(match);
      return { start, end: start + match.length };
    }),
  }));
  const context = { colors: createColors(false), print: (line: string) => printed.push(line) };
  showMatchedLines(context as unknown as Context, { results } as unknown as SearchAnswer, around);
  return printed;
}

const HIT = { path: "a.ts", start_line: 10, text: "one\ntwo\nthree\nfour\nfive" };

describe("the lines of a match", () => {
  it("are printed as grep prints them, once each", () => {
    expect(shown([{ ...HIT, matches: ["two", "wo", "five"] }])).toEqual(["a.ts:11:two", "a.ts:14:five"]);
  });

  it("are all that a match over several lines stands on, without the one that its line break begins", () => {
    expect(shown([{ ...HIT, matches: ["wo\nthree\n"] }])).toEqual(["a.ts:11:two", "a.ts:12:three"]);
  });

  it("come with those around them, and a mark where lines are left out", () => {
    const next = { path: "b.ts", start_line: 1, text: "six", matches: ["six"] };
    expect(shown([{ ...HIT, matches: ["one", "five"] }, next], 1)).toEqual([
      "a.ts:10:one",
      "a.ts-11-two",
      "--",
      "a.ts-13-four",
      "a.ts:14:five",
      "--",
      "b.ts:1:six",
    ]);
  });

  it("steer no terminal", () => {
    const hit = { path: "a\u001b[31m.ts", start_line: 1, text: "x\u001b[2J", matches: ["x"] };
    expect(shown([hit]).join("")).not.toContain("\u001b");
  });
});
