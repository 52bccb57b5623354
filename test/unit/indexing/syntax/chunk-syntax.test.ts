import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Chunk } from "../../../../src/core/chunk.ts";
import { CHUNK_KINDS, DOC_CHARACTERS, SIGNATURE_CHARACTERS } from "../../../../src/core/chunk.ts";
import { estimateTokens } from "../../../../src/core/tokens.ts";
import { chunkSource } from "../../../../src/indexing/chunk-source.ts";
import { parsersInNode } from "../../../support/grammars.ts";

const parsers = parsersInNode();
const cut = (source: string, language: string, modelMaxTokens = 512) =>
  chunkSource(source, language, `src/file.${language}`, modelMaxTokens, parsers.forMessage());

const LANGUAGES = [
  "bash c cpp csharp css go html java javascript json kotlin markdown php python ruby rust scala sql swift toml",
  "tsx typescript yaml",
].flatMap((names) => names.split(" "));

/** Says where a line that is not blank is in no chunk, or in two, or a text is not that of its lines; null where all holds. */
function fault(source: string, chunks: Chunk[]): string | null {
  const lines = source.split("\n");
  const isBlank = (from: number, to: number) => lines.slice(from, to).every((line) => line.trim() === "");
  let line = 0;
  let rest = "";
  for (const { startLine, endLine, text, kind, signature, doc, definitions } of chunks) {
    const at = `lines ${startLine}-${endLine}`;
    if (!CHUNK_KINDS.includes(kind)) return `${at}: ${kind}`;
    if ((signature?.length ?? 0) > SIGNATURE_CHARACTERS || (doc?.length ?? 0) > DOC_CHARACTERS)
      return `${at}: long`;
    if (startLine === line) {
      // A piece of the line that the chunk before began: blanks between the pieces may be left out.
      if (endLine !== startLine) return `${at}: overlaps`;
      const place = rest.indexOf(text);
      if (place < 0 || rest.slice(0, place).trim() !== "") return `${at}: not the next piece`;
      rest = rest.slice(place + text.length);
    } else {
      if (rest.trim() !== "") return `line ${line}: cut short`;
      if (startLine < line || !isBlank(line, startLine - 1)) return `${at}: after line ${line}`;
      const whole =
        startLine === endLine ? (lines[startLine - 1] ?? "") : lines.slice(startLine - 1, endLine).join("\n");
      if (!whole.startsWith(text)) return `${at}: other text`;
      if (text.length < whole.length && startLine !== endLine) return `${at}: cut short`;
      rest = whole.slice(text.length);
    }
    line = endLine;
    for (const one of definitions) {
      if (
        one.name === "" ||
        one.startLine < startLine ||
        one.startLine > endLine ||
        one.endLine < one.startLine
      ) {
        return `${at}: ${one.name} at ${one.startLine}-${one.endLine}`;
      }
    }
  }
  if (rest.trim() !== "") return `line ${line}: cut short`;
  return isBlank(line, lines.length) ? null : `nothing after line ${line}`;
}

const SNIPPETS = [
  "function a() {",
  "}",
  "class B {",
  "  m() { return `x\ny`; }",
  "/** doc\n * more */",
  "// note",
  "# heading",
  "def f(x):",
  "    return x",
  '"""docs',
  '"""',
  "end",
  "CREATE TABLE t (a int);",
  "BEGIN",
  "[table]",
  "key: value",
  "  - item",
  "<div id='x'>",
  "</div>",
  "```",
  "",
  "   ",
  "\t\tif (x) { y } else { z }",
  "const a = 1, b = () => 2;",
  "const emoji = '👩‍👩‍👧';\r",
  "\u0000\u0001",
  "#include <x>",
  "$tag$ ; $tag$",
  "'unclosed ; string",
  "((((((",
  "))))))",
];

describe("chunkSource, by syntax", () => {
  it.each(LANGUAGES)(
    "puts every line of any %s into one chunk, whether it parses or not",
    async (language) => {
      const sources = fc.oneof(
        fc.array(fc.constantFrom(...SNIPPETS), { maxLength: 40 }).map((lines) => lines.join("\n")),
        fc.string({ unit: "binary", maxLength: 400 }),
      );
      const property = fc.asyncProperty(sources, fc.constantFrom(64, 128, 512), async (source, maxTokens) => {
        const { chunks, chunkedBy } = await cut(source, language, maxTokens);
        if (chunkedBy === "syntax") expect(fault(source, chunks)).toBeNull();
        const largest = Math.max(0, ...chunks.map(({ text }) => estimateTokens(text)));
        expect(largest).toBeLessThanOrEqual(maxTokens);
      });
      await fc.assert(property, { numRuns: 12, endOnFailure: true });
    },
  );

  it("keeps a definition whole with the comment and decorators above it", async () => {
    const { chunks, chunkedBy } = await cut(
      [
        'import { x } from "y";',
        "",
        "// A note that stands by itself.",
        "",
        "/** Adds two numbers, carefully and with a check that both of them are numbers at all. */",
        "@logged()",
        "export class Adder {",
        `  add(a: number, b: number) { ${"check(a, b); ".repeat(12)} return a + b; }`,
        `  sub(a: number, b: number) { ${"check(a, b); ".repeat(12)} return a - b; }`,
        "}",
      ].join("\n"),
      "typescript",
    );
    expect(chunkedBy).toBe("syntax");
    expect(chunks.map(({ startLine, endLine, symbol }) => [startLine, endLine, symbol])).toEqual([
      [1, 3, null],
      [5, 10, "Adder"],
    ]);
    expect(chunks[1]).toMatchObject({
      kind: "class",
      signature: "export class Adder",
      doc: "Adds two numbers, carefully and with a check that both of them are numbers at all.",
      definitions: [
        { name: "Adder", kind: "class", parent: null, startLine: 6, endLine: 10 },
        { name: "add", kind: "method", parent: "Adder", startLine: 8, endLine: 8 },
        { name: "sub", kind: "method", parent: "Adder", startLine: 9, endLine: 9 },
      ],
    });
  });

  it("cuts a class that is too large into its head and its methods, and a method at its statements", async () => {
    const statement = (i: number) => `    if (ready(${i})) {\n      prepare(${i}, "something", this);\n    }`;
    const long = Array.from({ length: 30 }, (_, i) => statement(i)).join("\n");
    const source = `class Task {\n  #state = 1;\n\n  /** Runs. */\n  run() {\n${long}\n  }\n\n  stop() {\n${statement(
      1,
    )}\n${statement(2)}\n${statement(3)}\n  }\n}\n`;
    const { chunks } = await cut(source, "javascript", 300);
    expect(chunks[0]).toMatchObject({ kind: "class", symbol: "Task", startLine: 1, endLine: 2 });
    const pieces = chunks.filter(({ symbol }) => symbol === "run");
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces[0]).toMatchObject({ kind: "method", parent: "Task", doc: "Runs.", startLine: 4 });
    for (const { text, signature } of pieces) {
      expect(signature).toBe("run()");
      // No statement is torn apart.
      expect(text.split("{").length).toBe(
        text.split("}").length + (text.includes("run() {") ? 1 : 0) - (text.endsWith("\n  }") ? 1 : 0),
      );
    }
    expect(chunks.at(-1)).toMatchObject({ symbol: "stop", parent: "Task", kind: "method" });
  });

  it("leaves no piece of a few words in a definition that is cut, where a neighbour has room", async () => {
    for (let size = 1; size < 16; size++) {
      const statements = Array.from({ length: size }, (_, i) => `    prepare(${i}, "something");`).join("\n");
      const blocks = Array.from({ length: 5 }, (_, i) => `  if (ready(${i})) {\n${statements}\n  }\n`).join(
        "\n",
      );
      const { chunks } = await cut(`function run() {\n${blocks}\n  return total;\n}\n`, "javascript", 256);
      expect([size, chunks.findIndex(({ text }) => estimateTokens(text) < 16)]).toEqual([size, -1]);
    }
  });

  it("puts small neighbours together, and tells each of them", async () => {
    const source = Array.from({ length: 6 }, (_, i) => `export const limit${i} = ${i};`).join("\n");
    const { chunks } = await cut(source, "typescript");
    expect(chunks).toHaveLength(1);
    expect(chunks[0]).toMatchObject({ symbol: null, kind: "variable" });
    expect(chunks[0]?.definitions.map(({ name }) => name)).toEqual(
      [0, 1, 2, 3, 4, 5].map((i) => `limit${i}`),
    );
  });

  it("falls back to lines where no grammar reads the language, and says so", async () => {
    expect((await cut("some text\n", "text")).chunkedBy).toBe("lines");
    expect((await cut("let x = 1;\n", "javascript")).chunkedBy).toBe("syntax");
    expect(await cut(" \n\n", "javascript")).toMatchObject({ chunks: [] });
    expect(await cut("", "python")).toMatchObject({ chunks: [] });
  });

  it("leaves CR and BOM in the text, and counts lines by LF", async () => {
    const { chunks } = await cut("\uFEFFfunction a() {\r\n  return 1;\r\n}\r\n", "javascript");
    expect(chunks).toMatchObject([
      { startLine: 1, endLine: 3, symbol: "a", text: "\uFEFFfunction a() {\r\n  return 1;\r\n}\r" },
    ]);
  });

  const HOSTILE: [string, string][] = [
    ["100,000 characters in one line", "a(b);".repeat(20_000)],
    ["50,000 open brackets", "(".repeat(50_000)],
    ["40,000 nested brackets", `${"[".repeat(40_000)}${"]".repeat(40_000)}`],
    ["20,000 nested blocks over lines", `${"{\n".repeat(20_000)}${"}\n".repeat(20_000)}`],
    ["20,000 open tags", "<div>".repeat(20_000)],
    ["30,000 quotes", `"'\``.repeat(10_000)],
    ["deep indentation", Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}k${i}:`).join("\n")],
    ["NULs", "\0".repeat(50_000)],
    ["hashes", "#".repeat(20_000)],
    ["5,000 functions", "function f(){}\n".repeat(5000)],
  ];
  it.each(LANGUAGES)(
    "takes hostile %s in bounded time",
    async (language) => {
      for (const [what, source] of HOSTILE) {
        const started = process.cpuUsage().user;
        const { chunks, chunkedBy } = await cut(source, language);
        // Microseconds of the processor: other work on the machine does not count.
        expect(process.cpuUsage().user - started, what).toBeLessThan(8_000_000);
        if (chunkedBy === "syntax") expect(fault(source, chunks), what).toBeNull();
      }
    },
    60_000,
  );
});
