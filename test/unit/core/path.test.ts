import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DevFlowError } from "../../../src/core/errors.ts";
import { below, checkPath, displayPath, parsePath, parseSelector, selects } from "../../../src/core/path.ts";

const CORPORA = resolve(import.meta.dirname, "../../../../shared/corpora/traversal");

describe("checkPath", () => {
  it.each([
    ["", "empty"],
    ["/etc/passwd", "absolute"],
    ["C:/x.ts", "drive letter"],
    ["c:x.ts", "drive letter"],
    ["src\\a.ts", "backslash"],
    ["\\\\server\\share", "backslash"],
    ["a\0b", "NUL"],
    ["a\nb", "control character"],
    ["a\u007fb", "control character"],
    ["a\u0085b", "control character"],
    ["a//b", "empty segment"],
    ["a/", "empty segment"],
    ["./a", "a . segment"],
    [".", "a . segment"],
    ["a/./b", "a . segment"],
    ["..", "a .. segment"],
    ["a/../b", "a .. segment"],
    ["a\ud800b", "UTF-8"],
    ["a".repeat(1025), "longer than 1024 bytes"],
    ["é".repeat(513), "longer than 1024 bytes"],
    [Array(65).fill("a").join("/"), "over 64 segments"],
  ])("refuses %j", (path, rule) => {
    const checked = checkPath(path);
    expect(checked.ok ? "accepted" : checked.rule).toContain(rule);
  });

  it.each([
    ["a"],
    ["..."],
    ["..a/b.."],
    [".gitignore"],
    ["a b/c d.ts"],
    ["%2e%2e/%2e%2e"],
    ["src/日本語/файл.ts"],
    ["👩‍👩‍👧.md"],
    ["ab:c"],
    ["a".repeat(1024)],
    ["é".repeat(512)],
    [Array(64).fill("a").join("/")],
  ])("takes %j as it is", (path) => {
    expect(checkPath(path)).toEqual({ ok: true, path });
  });

  it("composes to NFC before it measures", () => {
    expect(checkPath("Cafe\u0301.ts")).toEqual({ ok: true, path: "Café.ts" });
    expect(checkPath("e\u0301".repeat(512)).ok).toBe(true);
  });

  it("accepts nothing that could resolve outside, whatever the input", () => {
    const hostile = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .array(fc.constantFrom("..", ".", "/", "\\", "a", "%2e", "C:", "\0", "．", "e\u0301", ""), {
          maxLength: 40,
        })
        .map((parts) => parts.join("")),
      fc.array(fc.nat(0xffff), { maxLength: 30 }).map((units) => String.fromCharCode(...units)),
    );
    fc.assert(
      fc.property(hostile, (raw) => {
        const checked = checkPath(raw);
        if (!checked.ok) return;
        const { path } = checked;
        const root = "/root/workspace";
        expect(resolve(root, path)).toBe(`${root}/${path}`);
        expect(path).toBe(path.normalize("NFC"));
        expect(new TextEncoder().encode(path).length).toBeLessThanOrEqual(1024);
        expect(checkPath(path)).toEqual({ ok: true, path });
      }),
      { numRuns: 5000 },
    );
  });

  it.skipIf(!existsSync(CORPORA))(
    "lets no entry of the traversal lists escape (needs ../shared/corpora)",
    () => {
      const entries = ["directory_traversal.txt", "traversals-8-deep-exotic-encoding.txt"].flatMap((name) =>
        readFileSync(resolve(CORPORA, name), "utf8").split(/\r?\n/),
      );
      expect(entries.length).toBeGreaterThan(500);
      for (const entry of entries) {
        for (const raw of [entry, decoded(entry), `src/${entry}`]) {
          const checked = checkPath(raw);
          if (checked.ok)
            expect(resolve("/root/workspace", checked.path)).toBe(`/root/workspace/${checked.path}`);
        }
      }
    },
  );
});

describe("parsePath", () => {
  it("says which rule is broken, in the words that clients look for", () => {
    expect(() => parsePath("../x")).toThrow(DevFlowError);
    expect(() => parsePath("../x")).toThrow(/^Invalid file path: it has a \.\. segment\.$/);
  });
});

describe("selectors", () => {
  it("take . and absence as everything", () => {
    expect(parseSelector(undefined)).toBeNull();
    expect(parseSelector(".")).toBeNull();
    expect(parseSelector("src")).toBe("src");
    expect(() => parseSelector("")).toThrow(/empty/);
    expect(() => parseSelector("src/..")).toThrow(/\.\./);
  });

  it("select whole segments", () => {
    expect(selects("src", "src")).toBe(true);
    expect(selects("src", "src/a")).toBe(true);
    expect(selects("src", "src-old/x")).toBe(false);
    expect(selects("src", "src0")).toBe(false);
    expect(selects(null, "anything")).toBe(true);
  });

  it("agree with the range that SQL selects by, in the order of UTF-8 bytes", () => {
    const segment = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 6 })
      .filter((s) => checkPath(s).ok && !s.includes("/"));
    const precedes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
    fc.assert(
      fc.property(segment, fc.array(segment, { minLength: 1, maxLength: 3 }), (folder, rest) => {
        const { from, to } = below(folder);
        for (const path of [`${folder}/${rest.join("/")}`, `${folder}${rest.join("/")}`, rest.join("/")]) {
          const inRange = path === folder || (!precedes(path, from) && precedes(path, to));
          expect(inRange).toBe(selects(folder, path));
        }
      }),
    );
  });
});

describe("displayPath", () => {
  it("can always be stored and shown", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (raw) => {
        const shown = displayPath(raw);
        expect(shown).not.toBe("");
        expect(shown).not.toMatch(/\p{Cc}/u);
        expect(shown.isWellFormed()).toBe(true);
      }),
    );
  });
});

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
