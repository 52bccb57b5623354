import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { highlighter } from "../../../src/search/highlight.ts";
import { lexicalQuery } from "../../../src/search/lexical-query.ts";

const marked = (query: string, text: string) =>
  highlighter(lexicalQuery(query).stems)(text).map(({ start, end }) => text.slice(start, end));

describe("highlighter", () => {
  it.each([
    ["parse headers", "function parseHttpHeaders(header) {}", ["parse", "Headers", "header"]],
    ["getUserByName", "get_user_by_name(getUser)", ["get_user_by_name", "getUser"]],
    ["searching", "// Searched: search, research", ["Searched", "search"]],
    ["where is it", "what is this", ["is"]],
    ["größe", "let grosse, größe, GRÖSSE", ["größe"]],
    ["検索", "// 検索エンジン", ["検索"]],
    ["retry", "🙂🙂 retry", ["retry"]],
    ["?!", "a ? b : c", []],
  ])("of %j in %j", (query, text, words) => {
    expect(marked(query, text)).toEqual(words);
  });

  it("is in order, within the text, without overlap and bounded", () => {
    const text = fc.array(fc.constantFrom("foo", "Bar", "fooBar", " ", "_", "🙂", "é", "\n"), {
      maxLength: 400,
    });
    fc.assert(
      fc.property(text, (parts) => {
        const joined = parts.join("");
        const highlights = highlighter(lexicalQuery("foo barFoo fooBar é").stems)(joined);
        expect(highlights.length).toBeLessThanOrEqual(100);
        let last = -1;
        for (const { start, end } of highlights) {
          expect(start).toBeGreaterThan(last);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(joined.length);
          last = end;
        }
      }),
    );
  });
});
