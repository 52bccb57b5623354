import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitIdentifiers } from "../../../src/core/identifiers.ts";
import { searchableText, tokensOf } from "../../../src/core/terms.ts";

describe("searchableText", () => {
  it.each([
    ["getUserByName(id)", "get user by name id getuserbyname"],
    ["parse_http_headers", "parse http headers parsehttpheaders"],
    ["HTTPServer2 x", "http server 2 x httpserver2"],
    ["_private $el __", "private el"],
    ["größeÄndern", "größe ändern größeändern"],
    ["検索機 と API検索", "検索 索機 と api 検索"],
    ["검색 엔진", "검색 엔진"],
    ["", ""],
    ["!?*(){}", ""],
  ])("of %j", (text, words) => {
    expect(searchableText(text)).toBe(words);
  });

  it("cuts a run that is data rather than a name", () => {
    expect(searchableText("a".repeat(100_000))).toBe("a".repeat(256));
  });
});

describe("tokensOf", () => {
  it("gives each word at its place in the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" })), (text) => {
        let last = 0;
        for (const { words, start, end } of tokensOf(text)) {
          expect(start).toBeGreaterThanOrEqual(last);
          last = end;
          for (const word of words) {
            expect(word.start).toBeGreaterThanOrEqual(start);
            expect(word.end).toBeLessThanOrEqual(end);
            expect(text.slice(word.start, word.end).toLowerCase()).toBe(word.word);
          }
        }
      }),
    );
  });

  it.each([
    ["of ASCII", ["get", "User", "HTTP", "2", "10", "_", "$", "x", "Y"]],
    ["of any script", ["get", "User", "HTTP", "2", "10", "_", "$", "é", "Ö", "x", "Y"]],
  ])("splits identifiers %s where `splitIdentifiers` does", (_, of) => {
    const identifier = fc.array(fc.constantFrom(...of), { maxLength: 12 });
    fc.assert(
      fc.property(identifier, (parts) => {
        const text = parts.join("");
        const words = [...tokensOf(text)].flatMap((token) => token.words.map(({ word }) => word));
        expect(words).toEqual(splitIdentifiers(text));
      }),
    );
  });
});
