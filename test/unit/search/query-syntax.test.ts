import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DevFlowError } from "../../../src/core/errors.ts";
import { exclusionOf, lexicalQuery, withConditions } from "../../../src/search/lexical-query.ts";
import { narrowed, parseQuery } from "../../../src/search/query-syntax.ts";

const ANYTHING = { path: null, languages: [], extensions: [], kinds: [] };
const EMPTY = { phrases: [], excluded: [], paths: [], languages: [], extensions: [], kinds: [] };

describe("parseQuery", () => {
  it.each([
    ["retry with backoff", { text: "retry with backoff" }],
    ["retry path:src/net", { text: "retry", paths: ["src/net"] }],
    ["path:./src/ retry", { text: "retry", paths: ["src"] }],
    ['path:"my folder" retry', { text: "retry", paths: ["my folder"] }],
    ["path:. retry", { text: "retry" }],
    [
      "retry lang:ts,py LANG:golang lang:c++ lang:c# lang:Elm",
      { text: "retry", languages: ["typescript", "python", "go", "cpp", "csharp", "elm"] },
    ],
    ["retry ext:.TS,py", { text: "retry", extensions: ["ts", "py"] }],
    ["retry kind:fn kind:class", { text: "retry", kinds: ["function", "class"] }],
    ["retry -test", { text: "retry", excluded: ["test"] }],
    ['retry -"unit test" more', { text: "retry  more", excluded: ["unit test"] }],
    ['say "two words" now', { text: 'say "two words" now', phrases: ["two words"] }],
    [
      'say "path:src -x lang:ts" now',
      { phrases: ["path:src -x lang:ts"], text: 'say "path:src -x lang:ts" now' },
    ],
    ["return -1", { text: "return -1" }],
    ["a->b --flag -m x - y", { text: "a->b --flag -m x - y" }],
    ["foo-bar not:path", { text: "foo-bar not:path" }],
    ["path: src", { text: "path: src" }],
    ["https://path:80/x", { text: "https://path:80/x" }],
    ['an "open quote', { text: 'an "open quote' }],
    ['""', { text: '""' }],
  ])("reads %j", (query, expected) => {
    expect(parseQuery(query)).toEqual({ ...EMPTY, ...expected });
  });

  it.each([
    ["path:../etc retry", "invalid_path"],
    ["path:/etc/passwd retry", "invalid_path"],
    ["kind:thing retry", "invalid_request"],
    ["path:src", "invalid_request"],
    ["-test", "invalid_request"],
  ])("refuses %j as %s", (query, code) => {
    let error: unknown;
    try {
      parseQuery(query);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(DevFlowError);
    expect((error as DevFlowError).code).toBe(code);
  });

  it("never fails in another way, and takes no longer for hostile text", () => {
    const pieces = fc.constantFrom(
      ...['"', "-", " ", "path:", "lang:", "kind:", "ext:", "a", "\n", "\0", "\ud800", "é"],
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 200 }), (parts) => {
        try {
          expect(parseQuery(parts.join("")).text).not.toBe("");
        } catch (error) {
          if (!(error instanceof DevFlowError)) throw error;
        }
      }),
    );
    const started = performance.now();
    for (const piece of ['"', "-a ", "path:a ", " -", '-"']) {
      try {
        parseQuery(piece.repeat(2000 / piece.length));
      } catch (error) {
        if (!(error instanceof DevFlowError)) throw error;
      }
    }
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("narrowed", () => {
  const query = (text: string) => parseQuery(`x ${text}`);

  it("keeps to the request and to the operators", () => {
    expect(narrowed({ ...ANYTHING, path: "src" }, query("path:src/net lang:ts"))).toEqual({
      ...ANYTHING,
      path: "src/net",
      languages: ["typescript"],
    });
    expect(narrowed({ ...ANYTHING, path: "src/net" }, query("path:src"))?.path).toBe("src/net");
    expect(
      narrowed({ ...ANYTHING, languages: ["go", "python"] }, query("lang:py lang:rs"))?.languages,
    ).toEqual(["python"]);
  });

  it.each(["path:lib", "path:src-old", "lang:go", "ext:go", "kind:enum"])(
    "finds nothing for %s",
    (operator) => {
      const filter = { path: "src", languages: ["python"], extensions: ["py"], kinds: ["class" as const] };
      expect(narrowed(filter, query(operator))).toBeNull();
    },
  );
});

describe("withConditions", () => {
  const { match } = lexicalQuery("retry");

  it.each([
    [[], [], '"retry"'],
    [["two words"], [], '("two words") AND ("retry")'],
    [["getUserByName"], ["unit tests", "x"], '(("getuserbyname") AND ("retry")) NOT ("unit tests" OR "x")'],
    [["?!"], ["-"], '"retry"'],
    [['a" OR b'], ['c") OR (d'], '(("a or b") AND ("retry")) NOT ("c or d")'],
  ])("for %j without %j is %s", (required, excluded, expected) => {
    expect(withConditions(match, required, excluded)).toBe(expected);
  });

  it("is nothing where there is nothing to look for", () => {
    expect(withConditions(null, ["x"], ["y"])).toBeNull();
    expect(exclusionOf(["?"])).toBeNull();
  });
});
