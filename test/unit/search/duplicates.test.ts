import { describe, expect, it } from "vitest";
import type { StoredChunk } from "../../../src/core/ports.ts";
import { repeats } from "../../../src/search/duplicates.ts";

const BODY =
  "function backoff(attempt) { const delay = Math.min(MAX, BASE * 2 ** attempt); return delay * random(); }";

function chunk(change: Partial<StoredChunk>): StoredChunk {
  return {
    id: "chk",
    path: "a.js",
    startLine: 1,
    endLine: 9,
    language: "javascript",
    kind: "function",
    symbol: "backoff",
    parent: null,
    signature: null,
    doc: null,
    text: BODY,
    ...change,
  };
}

describe("repeats", () => {
  it.each([
    ["a copy in another file", { path: "vendor/a.js", text: BODY.replaceAll(" ", "\n") }, true],
    ["a copy with a word changed", { path: "vendor/a.js", text: `${BODY};` }, true],
    ["another function, alike but for its name", { path: "b.js", symbol: "pause" }, false],
    [
      "one of its name that does something else",
      { path: "b.js", text: "function backoff() { stop(); }" },
      false,
    ],
    ["most of its lines in the same file", { startLine: 3, endLine: 10 }, true],
    ["few of its lines in the same file", { startLine: 8, endLine: 20 }, false],
  ])("knows %s", (_, change, expected) => {
    expect(repeats(chunk({}), chunk(change))).toBe(expected);
    expect(repeats(chunk(change), chunk({}))).toBe(expected);
  });

  it("takes equal texts without a name for copies only where they are long enough to tell", () => {
    const unnamed = (path: string, text: string) => chunk({ path, text, symbol: null, kind: "block" });
    expect(repeats(unnamed("a", BODY), unnamed("b", BODY))).toBe(true);
    expect(repeats(unnamed("a", "return null;"), unnamed("b", "return null;"))).toBe(false);
  });
});
