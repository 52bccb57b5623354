import { afterEach, describe, expect, it, vi } from "vitest";
import { chunkSource } from "../../../../src/indexing/chunk-source.ts";
import type { FileParser } from "../../../../src/indexing/syntax/parsers.ts";
import { parsersInNode } from "../../../support/grammars.ts";

const parsers = parsersInNode();
const cut = (source: string, language: string, parser: FileParser = parsers.forMessage()) =>
  chunkSource(source, language, "src/file", 512, parser);

const FUNCTIONS = {
  css: ".a {\n  color: red;\n}\n",
  java: "class A {\n  int one() { return 1; }\n}\n",
  javascript: "/** Adds. */\nfunction add(a, b) {\n  return a + b;\n}\n",
  kotlin: "fun add(a: Int, b: Int): Int {\n  return a + b\n}\n",
  python: "def add(a, b):\n    return a + b\n",
  swift: "func add(a: Int, b: Int) -> Int {\n  return a + b\n}\n",
  typescript: "export function add(a: number, b: number) {\n  return a + b;\n}\n",
};
const OTHERS = "bash c cpp csharp go html json php ruby rust scala tsx".split(" ");
/** Each is as long as what is parsed may be. */
const long = (piece: string) => piece.repeat(Math.floor(250_000 / piece.length));
/** Takes twenty seconds: each step of the repair looks at all that is open. */
const SLOW = "case a:".repeat(8000);

describe("SyntaxParsers", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("cuts a file as if it were the first, whatever was parsed before", async () => {
    const all = () =>
      Promise.all(Object.entries(FUNCTIONS).map(([language, source]) => cut(source, language)));
    const first = await all();
    expect(first.map(({ chunkedBy }) => chunkedBy)).toEqual(Object.keys(FUNCTIONS).map(() => "syntax"));
    // Each has tables of its own, which leave less to parse with.
    for (const language of OTHERS) await cut("x", language);
    // Memory runs out in the middle of each of the first; the last fails an assertion of the grammar's.
    for (const language of ["javascript", "java", "typescript", "swift"]) {
      for (const piece of ["a+", "a;\n"]) {
        expect([language, piece, (await cut(long(piece), language)).chunkedBy]).toContain("lines");
      }
    }
    expect((await cut(long('"${'), "kotlin")).chunkedBy).toBe("lines");
    expect(await all()).toEqual(first);
  }, 60_000);

  it("reads every name of a file with very many", async () => {
    const count = 5000;
    const source = Array.from({ length: count }, (_, i) => `function f${i}() {}\n`).join("");
    const { chunks } = await cut(source, "javascript");
    const names = chunks.flatMap(({ definitions }) => definitions.map(({ name }) => name));
    expect(names).toEqual(Array.from({ length: count }, (_, i) => `f${i}`));
  });

  it("parses a long comment in an indented block", async () => {
    const comment = Array.from(
      { length: 400 },
      (_, i) => `    # Line ${i} of a comment that says something.\n`,
    );
    const source = `def add(a, b):\n${comment.join("")}    return a + b\n`;
    expect(await cut(source, "python")).toMatchObject({ chunkedBy: "syntax" });
  });

  it("reads characters of two units whole, wherever they stand", async () => {
    const astral = "𝒳";
    for (let shift = 0; shift < 19; shift++) {
      const source = `//${" ".repeat(shift)}\n${`function ${astral}${astral}() {}\n`.repeat(200)}`;
      const { chunks } = await cut(source, "javascript");
      const names = chunks.flatMap(({ definitions }) => definitions.map(({ name }) => name));
      expect(names).toEqual(Array.from({ length: 200 }, () => astral + astral));
    }
  });

  it("gives the files of a message a time, and those of the next message theirs", async () => {
    const parser = parsers.forMessage(300);
    const started = process.cpuUsage().user;
    expect((await cut(SLOW, "javascript", parser)).chunkedBy).toBe("lines");
    // Microseconds of the processor: other work on the machine does not count.
    expect(process.cpuUsage().user - started).toBeLessThan(8_000_000);
    expect((await cut(FUNCTIONS.javascript, "javascript", parser)).chunkedBy).toBe("lines");
    expect((await cut(FUNCTIONS.javascript, "javascript")).chunkedBy).toBe("syntax");
  }, 60_000);

  it("does so too where the clock stands still during computations, as it does in a deployed Worker", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 0 });
    const started = performance.now();
    const clock = setInterval(() => vi.setSystemTime(performance.now() - started), 0);
    try {
      const before = process.cpuUsage().user;
      expect((await cut(SLOW, "javascript", parsers.forMessage(300))).chunkedBy).toBe("lines");
      expect(process.cpuUsage().user - before).toBeLessThan(8_000_000);
    } finally {
      clearInterval(clock);
    }
  }, 60_000);

  it("lets others have their turn during a long parse, which goes on where it was", async () => {
    const source = Array.from({ length: 4000 }, (_, i) => `function f${i}(a) { return a + ${i}; }\n`).join(
      "",
    );
    const alone = await cut(source, "javascript");
    expect(alone.chunkedBy).toBe("syntax");
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    // All at once, as the files of one message are.
    const sources = [
      ...Object.entries(FUNCTIONS),
      ["javascript", source] as const,
      ...Object.entries(FUNCTIONS),
    ];
    const together = await Promise.all(sources.map(([language, text]) => cut(text, language)));
    clearInterval(counting);
    expect(turns).toBeGreaterThan(3);
    const each = await Promise.all(Object.entries(FUNCTIONS).map(([language, text]) => cut(text, language)));
    expect(together).toEqual([...each, alone, ...each]);
  });

  it("takes over from a parse whose request has ended in the middle of it", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 0 });
    const ended: string[] = [];
    const note = (name: string, language: string, source: string) =>
      cut(source, language, parsers.forMessage(Number.MAX_SAFE_INTEGER)).then(({ chunkedBy }) =>
        ended.push(`${name}: ${chunkedBy}`),
      );
    const abandoned = note("abandoned", "javascript", SLOW);
    await new Promise((resolve) => setTimeout(resolve, 50));
    vi.setSystemTime(61_000);
    // Had the first only been slow, it would find that it was given up.
    await Promise.all([abandoned, note("next", "python", FUNCTIONS.python)]);
    expect(ended).toEqual(["next: syntax", "abandoned: lines"]);
    expect((await cut(FUNCTIONS.javascript, "javascript")).chunkedBy).toBe("syntax");
  }, 60_000);
});
