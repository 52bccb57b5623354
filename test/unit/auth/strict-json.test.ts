import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasDuplicateNames, parseStrictObject } from "../../../src/auth/strict-json.ts";

const encode = (text: string) => new TextEncoder().encode(text);

describe("hasDuplicateNames", () => {
  it.each([
    ['{"a":1,"a":2}', true],
    ['{"a":1, "\\u0061" : 2}', true],
    ['{"x":{"a":1,"b":{"c":1,"c":1}}}', true],
    ['[{"a":1},{"a":2}]', false],
    ['{"a":"a","b":"a"}', false],
    ['{"a":"\\"a\\":1,"}', false],
    ['{"a":["b","b"],"b":{"a":1}}', false],
    ['{"__proto__":1,"__proto__":2}', true],
    ['{"":1,"":2}', true],
    ['{"a\\\\":1,"a":2}', false],
  ])("%s: %s", (json, expected) => {
    JSON.parse(json);
    expect(hasDuplicateNames(json)).toBe(expected);
  });

  it("finds none in what JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2), (json, indent) => {
        expect(hasDuplicateNames(JSON.stringify(JSON.parse(json), null, indent))).toBe(false);
      }),
    );
  });

  it("finds the one that is planted", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (object) => {
        const json = JSON.stringify(object);
        const [name = ""] = Object.keys(object);
        expect(hasDuplicateNames(`${json.slice(0, -1)},${JSON.stringify(name)}:0}`)).toBe(true);
      }),
    );
  });
});

describe("parseStrictObject", () => {
  it.each(["", "null", "1", "[]", '"a"', "{", '{"a":1}x', '\ufeff{"a":1}', '{"a":1,"a":1}'])(
    "refuses %j",
    (text) => {
      expect(parseStrictObject(encode(text))).toBeNull();
    },
  );

  it("refuses bytes that are not UTF-8", () => {
    expect(parseStrictObject(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))).toBeNull();
  });

  it("reads an object", () => {
    expect(parseStrictObject(encode(' {"a":[1]} '))).toEqual({ a: [1] });
  });
});
