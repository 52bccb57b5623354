import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileGlob } from "../../../src/core/glob.ts";

describe("compileGlob", () => {
  it.each([
    ["*.ts", "a.ts", true],
    ["*.ts", "src/deep/a.ts", true],
    ["*.ts", "a.tsx", false],
    ["/*.ts", "src/a.ts", false],
    ["src/*.ts", "src/a.ts", true],
    ["src/*.ts", "src/deep/a.ts", false],
    ["src/*.ts", "lib/src/a.ts", false],
    ["src/**", "src/a/b.ts", true],
    ["src/**", "src-old/a.ts", false],
    ["**/*.test.*", "a.test.ts", true],
    ["**/*.test.*", "x/y/a.test.tsx", true],
    ["a/**/b.ts", "a/b.ts", true],
    ["a/**/b.ts", "a/x/y/b.ts", true],
    ["a/**/b.ts", "a/xb.ts", false],
    ["node_modules/", "node_modules/x/y.js", true],
    ["node_modules/", "packages/a/node_modules/x.js", true],
    ["node_modules/", "node_modules", false],
    ["docs/api/", "docs/api/x.md", true],
    ["?.md", "a.md", true],
    ["?.md", "日.md", true],
    ["?.md", "😀.md", true],
    ["??.md", "😀.md", false],
    ["*?.md", "😀.md", true],
    ["[😀-😂].md", "😁.md", true],
    ["[!a].md", "😀.md", true],
    ["😀*", "😀.md", true],
    ["\\😀", "😀", true],
    ["[a-c].ts", "b.ts", true],
    ["[!a-c].ts", "b.ts", false],
    ["[]].ts", "].ts", true],
    ["*.{js,ts}", "x/a.js", true],
    ["*.{js,ts}", "x/a.py", false],
    ["{src,lib}/**/*.ts", "lib/a/b.ts", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    [".*", ".env", true],
    ["*", ".env", true],
    ["**", "any/thing", true],
    ["a**b", "axxb", true],
    ["a**b", "a/b", false],
  ])("%s on %s: %s", (pattern, path, expected) => {
    expect(compileGlob(pattern)?.matches(path)).toBe(expected);
  });

  it.each(["[abc", "{a,b", "{a,{b}", "{a,b}".repeat(10)])("refuses %s", (pattern) => {
    expect(compileGlob(pattern)).toBeNull();
  });

  it("takes any pattern without throwing, and matches a path by its own escaped text", () => {
    const path = fc.array(fc.stringMatching(/^[^/\0]{1,12}$/), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), path, (pattern, segments) => {
        const text = segments.join("/").normalize("NFC");
        compileGlob(pattern)?.matches(text);
        const escaped = `/${text.replaceAll(/[\\*?[\]{},]/g, "\\$&")}`;
        expect(compileGlob(escaped)?.matches(text)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("stays fast on the patterns that make backtracking explode", () => {
    const started = performance.now();
    const [name, path] = ["a".repeat(1000), `${"a/".repeat(400)}a`];
    for (let i = 0; i < 100; i++) {
      expect(compileGlob(`${"*a".repeat(200)}b`)?.matches(name)).toBe(false);
      expect(compileGlob(`*${"a".repeat(400)}b`)?.matches(name)).toBe(false);
      expect(compileGlob(`${"**/".repeat(150)}x`)?.matches(path)).toBe(false);
    }
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it("says what a match costs, alternatives multiplied out", () => {
    expect(compileGlob("/src/*.ts")?.cost).toBe(9);
    expect(compileGlob("/a{b,c}{d,e}")?.cost).toBe(16);
  });
});
