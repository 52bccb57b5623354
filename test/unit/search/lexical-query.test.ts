import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lexicalQuery, stemOf } from "../../../src/search/lexical-query.ts";

describe("lexicalQuery", () => {
  it.each([
    ["How do I parse the headers?", '"parse" OR "headers"'],
    ["getUserByName", '"getuserbyname" OR "get" OR "user" OR "name"'],
    ["where is get_user defined", '"getuser" OR "get" OR "user" OR "defined"'],
    ["what is this", '"what" OR "is" OR "this"'],
    ["for", '"for"'],
    ["isA", '"isa"'],
    ['the "connection pool" size', '"connection" OR "pool" OR "size" OR "connection pool"'],
    ["body:secret* NEAR(a b) -x ^y", '"body" OR "secret" OR "near" OR "b" OR "x" OR "y"'],
    ["検索する", '"検索" OR "索す" OR "する"'],
    ["cafe\u0301 Ünï", '"cafe\u0301" OR "ünï"'],
    ["retry retry RETRY", '"retry"'],
  ])("of %j", (text, match) => {
    expect(lexicalQuery(text).match).toBe(match);
  });

  it.each(["", "   ", "?!", '"', '""""', "\0", "-- ; DROP", "🙂", "\u0301", "\ud800"])(
    "of %j is never syntax",
    (text) => {
      const { match } = lexicalQuery(text);
      expect(match === null || /^"[^"]+"( OR "[^"]+")*$/.test(match)).toBe(true);
    },
  );

  it("is a disjunction of quoted terms of bounded length, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
        const { match } = lexicalQuery(text);
        if (match === null) return;
        expect(match).toMatch(/^"[^"\0]+"( OR "[^"\0]+")*$/);
        expect(match.split(" OR ").length).toBeLessThanOrEqual(96);
      }),
    );
  });

  it("knows words by their stem and without diacritics, as the index does", () => {
    expect(stemOf("Searching")).toBe(stemOf("search"));
    expect(stemOf("Größe")).toBe(stemOf("große"));
    expect(lexicalQuery("parsing headers").stems).toEqual(new Set(["pars", "header"]));
  });
});
