import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DevFlowError } from "../../../src/core/errors.ts";
import { fold } from "../../../src/core/fold.ts";
import { compilePattern } from "../../../src/search/pattern.ts";
import { shapeOf } from "../../../src/search/pattern-trigrams.ts";

const LINES = { caseSensitive: true, multiline: false };

/** What FTS5 would say of the expression, over a text's folded trigrams. */
function holds(match: string, text: string): boolean {
  const points = [...fold(text)];
  const trigrams = new Set(points.slice(2).map((_, i) => points.slice(i, i + 3).join("")));
  const script = match.replaceAll(/"((?:[^"]|"")*)"/g, (_, trigram: string) =>
    String(trigrams.has(trigram.replaceAll('""', '"'))),
  );
  return new Function(`return ${script.replaceAll(" AND ", "&&").replaceAll(" OR ", "||")}`)();
}

describe("shapeOf", () => {
  it.each([
    ["fetch", '("fet" AND "etc" AND "tch")'],
    ["FETCH", '("fet" AND "etc" AND "tch")'],
    ["fo", null],
    ["a.*b", null],
    ["abc.*def", '("abc" AND "def")'],
    ["abc|def", '("abc" OR "def")'],
    ["abc|d.f", null],
    ["ab(c|d)e", '(("abc" AND "bce") OR ("abd" AND "bde"))'],
    ["(abc)?def", '(("abc" AND "bcd" AND "cde" AND "def") OR "def")'],
    ["(abc)*def", '"def"'],
    ["(abc)+", '"abc"'],
    ["abc{2}", null],
    ["(?:abc){2,}", '"abc"'],
    ["\\bclass\\s+Foo\\(", '(("cla" AND "las" AND "ass") AND ("foo" AND "oo("))'],
    ["[a-z]bcd", '"bcd"'],
    ["a[.]b", '"a.b"'],
    ["a\\.b", '"a.b"'],
    ["\\x61bc", '"abc"'],
    ["\\Qa.b\\E", '"a.b"'],
    ["(?i)ſſſ", '"sss"'],
    ['a"b', '"a""b"'],
    ["^import$", '("imp" AND "mpo" AND "por" AND "ort")'],
    ["(?P<name>abc)", '"abc"'],
    ["[]abc]xyz", '"xyz"'],
    ["[[:alpha:]]xyz", '"xyz"'],
    ["\\p{Greek}xyz\\d", '"xyz"'],
  ])("of %j asks for %s", (pattern, expected) => {
    const { match } = shapeOf(pattern);
    expect(match).toBe(expected);
  });

  it.each(["((a{30}){30}){30}", `${"(".repeat(200)}a${")".repeat(200)}`, "(abcdefghijk{9}){900}"])(
    "finds %s too large",
    (pattern) => expect(shapeOf(pattern).tooLarge).toBe(true),
  );

  it("never loses a match, whatever the pattern and the text", () => {
    const char = fc.constantFrom(..."abcABkKſ\u212a.é😀 \n");
    const quoted = char.map((one) => (one === "." ? "\\." : one === "\n" ? "\\n" : one));
    const pattern = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        quoted,
        fc.constantFrom(
          ".",
          "\\w",
          "[ab]",
          "[^a]",
          "\\b",
          "^",
          "$",
          "\\d?",
          "[.]",
          "\\x61",
          "\\Qab\\E",
          "[[:alpha:]]",
        ),
        fc.tuple(tie("node"), tie("node")).map((both) => both.join("")),
        fc.tuple(tie("node"), tie("node"), tie("node")).map((all) => all.join("")),
        fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(?:${a}|${b})`),
        fc
          .tuple(tie("node"), fc.constantFrom("*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "{1}"))
          .map(([a, times]) => `(${a})${times}`),
        tie("node").map((a) => `(?i:${a})`),
      ),
    })).node;
    const text = fc.array(char, { maxLength: 60 }).map((chars) => chars.join(""));
    let matched = 0;
    const options = fc.record({ caseSensitive: fc.boolean(), multiline: fc.boolean() });
    fc.assert(
      fc.property(pattern, text, options, (source, haystack, how) => {
        const compiled = compilePattern(source, how);
        if (compiled.matchesIn(haystack).length === 0) return;
        matched++;
        if (compiled.match !== null) expect(holds(compiled.match, haystack)).toBe(true);
      }),
      { numRuns: 3000 },
    );
    expect(matched).toBeGreaterThan(300);
  });
});

describe("compilePattern", () => {
  const found = (pattern: string, text: string, options: Partial<typeof LINES> = {}) =>
    compilePattern(pattern, { ...LINES, ...options })
      .matchesIn(text)
      .map(({ start, end }) => text.slice(start, end));

  it("matches lines by themselves, whatever ends them, and across them where asked", () => {
    const text = "import a;\r\nexport b;\nimport c;";
    expect(found("^import \\w;$", text)).toEqual(["import a;", "import c;"]);
    expect(found("a;\\s+export", text)).toEqual([]);
    expect(found("a;\\s+export", text, { multiline: true })).toEqual(["a;\r\nexport"]);
    expect(found("^export", text, { multiline: true })).toEqual(["export"]);
    expect(found("\\Aexport", text)).toEqual(["export"]);
    expect(found("[^x]+", "ab\ncd")).toEqual(["ab", "cd"]);
  });

  it("minds case unless told not to, beyond ASCII too", () => {
    expect(found("straße", "STRAßE straße")).toEqual(["straße"]);
    expect(found("sK", "ſ\u212a SK", { caseSensitive: false })).toEqual(["ſ\u212a", "SK"]);
  });

  it("counts in UTF-16 units, and finds no empty match", () => {
    expect(compilePattern("b", LINES).matchesIn("😀b")).toEqual([{ start: 2, end: 3 }]);
    expect(found("x*", "ab")).toEqual([]);
  });

  it.each([
    ["(?=a)b", "look-around"],
    ["(?<!a)b", "look-around"],
    ["(a)\\1", "back-references"],
    ["a(", "missing closing"],
    ["a{1001}", "repeat"],
    ["((a{10}){10}){11}", "repeat"],
    ["x++", "repetition"],
    [`a${"b".repeat(1000)}`, "1000 characters"],
    [`${"(".repeat(300)}a${")".repeat(300)}`, "too much"],
    ["\\pX", ""],
  ])("refuses %s", (pattern, reason) => {
    let error: unknown;
    try {
      compilePattern(pattern, LINES);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(DevFlowError);
    expect((error as DevFlowError).code).toBe("unsupported_pattern");
    expect((error as DevFlowError).message).toContain(reason);
  });

  it("takes time linear in the text for patterns that break other engines", () => {
    const started = performance.now();
    expect(found("(a+)+$", `${"a".repeat(20_000)}b`)).toEqual([]);
    expect(found("(.*)*x", "y".repeat(20_000))).toEqual([]);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
