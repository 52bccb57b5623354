import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { estimateTokens } from "../../../src/core/tokens.ts";
import { chunkLines, splitLine } from "../../../src/indexing/chunk-lines.ts";

const line = fc.oneof(
  fc.constantFrom(
    "",
    "  ",
    "}",
    "\treturn x;",
    "export function getUserByName(name: string) {",
    "\r",
    "日本語 コード",
  ),
  fc.string({ maxLength: 80, unit: "binary" }).map((text) => text.replaceAll("\n", " ")),
  fc.string({ maxLength: 900, unit: "grapheme" }).map((text) => text.replaceAll("\n", " ")),
);
const sources = fc.array(line, { maxLength: 120 }).map((lines) => lines.join("\n"));
const sizes = fc.integer({ min: 16, max: 300 });

describe("chunkLines", () => {
  it("covers every line that is not blank, in order, with the text of exactly those lines", () => {
    fc.assert(
      fc.property(sources, sizes, (source, maxTokens) => {
        const lines = source.split("\n");
        const covered = new Set<number>();
        let last = 0;
        for (const chunk of chunkLines(source, { maxTokens })) {
          expect(chunk.startLine).toBeGreaterThanOrEqual(last);
          expect(chunk.endLine).toBeLessThanOrEqual(lines.length);
          last = chunk.startLine;
          const whole = lines.slice(chunk.startLine - 1, chunk.endLine).join("\n");
          if (chunk.startLine === chunk.endLine) expect(whole).toContain(chunk.text);
          else expect(chunk.text).toBe(whole);
          for (let n = chunk.startLine; n <= chunk.endLine; n++) covered.add(n);
        }
        lines.forEach((text, i) => {
          if (text.trim() !== "") expect(covered).toContain(i + 1);
        });
      }),
      { numRuns: 300 },
    );
  });

  it("keeps every chunk within the bound", () => {
    fc.assert(
      fc.property(sources, sizes, (source, maxTokens) => {
        for (const { text } of chunkLines(source, { maxTokens })) {
          expect(estimateTokens(text)).toBeLessThanOrEqual(maxTokens + 1);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("cuts before the next function at the left margin", () => {
    const body = (name: string) => `function ${name}() {\n${"  const a = 1;\n".repeat(8)}}\n`;
    const chunks = chunkLines(`${body("first")}\n${body("second")}\n${body("third")}`, { maxTokens: 75 });
    expect(chunks.map(({ text }) => text.split("\n")[0])).toEqual([
      "function first() {",
      "function second() {",
      "function third() {",
    ]);
  });

  it("overlaps where a cut falls inside a block", () => {
    const source = `class A {\n${Array.from({ length: 60 }, (_, i) => `  field${i} = ${i};`).join("\n")}\n}`;
    const chunks = chunkLines(source, { maxTokens: 60 });
    expect(chunks.length).toBeGreaterThan(3);
    for (let i = 1; i < chunks.length; i++) {
      expect(chunks[i]?.startLine).toBeLessThanOrEqual(chunks[i - 1]?.endLine ?? 0);
    }
  });

  it("counts no line after a last LF, and makes nothing of white space", () => {
    expect(chunkLines("a\nb\n", { maxTokens: 100 })).toMatchObject([
      { startLine: 1, endLine: 2, text: "a\nb" },
    ]);
    expect(chunkLines("", { maxTokens: 100 })).toEqual([]);
    expect(chunkLines(" \n\t\n\r\n", { maxTokens: 100 })).toEqual([]);
  });

  it("takes a megabyte in one line, and a megabyte of line ends, in seconds", () => {
    const started = performance.now();
    const minified = chunkLines("function a(b,c){return b+c};".repeat(37_500), { maxTokens: 200 });
    expect(minified.length).toBeGreaterThan(1000);
    expect(new Set(minified.map(({ startLine }) => startLine))).toEqual(new Set([1]));
    expect(chunkLines(`${"\n".repeat(1 << 20)}end`, { maxTokens: 200 }).length).toBe(1);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe("splitLine", () => {
  it("gives pieces that together are the line, and never parts a surrogate pair", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000, unit: "grapheme" }), sizes, (text, maxTokens) => {
        const pieces = splitLine(text, maxTokens);
        expect(pieces.join("")).toBe(text);
        for (const piece of pieces) expect(piece.isWellFormed()).toBe(text.isWellFormed());
      }),
      { numRuns: 200 },
    );
  });

  it("parts an identifier only where it alone is too long", () => {
    const names = fc.array(fc.stringMatching(/^[a-z_$][a-z0-9_$]{0,30}$/), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(names, (identifiers) => {
        const text = identifiers.join("+");
        const parts = splitLine(text, 40)
          .flatMap((piece) => piece.split("+"))
          .filter((part) => part !== "");
        expect(parts).toEqual(identifiers);
      }),
      { numRuns: 200 },
    );
    expect(splitLine("x".repeat(1000), 50).length).toBeGreaterThan(1);
    expect(splitLine("😀".repeat(500), 51).every((piece) => piece.isWellFormed())).toBe(true);
  });
});
