import { describe, expect, it } from "vitest";
import { hasHumps, humpsAsked, humpsOf } from "../../../src/core/humps.ts";

describe("humps of names", () => {
  it.each([
    ["getUserByName", "gubn"],
    ["get_user_by_name", "gubn"],
    ["get-user-by-name", "gubn"],
    ["HTTPServer", "hs"],
    ["run", ""],
    ["größteZahl", "gz"],
  ])("of %s are %s", (name, humps) => expect(humpsOf(name)).toBe(humps));

  it.each([
    ["gUBN", "getUserByName", true],
    ["gubn", "getUserByName", true],
    ["gUBN", "get_user_by_name", true],
    ["getUBN", "get-user-by-name", true],
    ["get_u", "getUserByName", true],
    ["gUsBNa", "getUserByName", true],
    ["gU", "getUserByName", true],
    ["gBN", "getUserByName", false],
    ["gUBNX", "getUserByName", false],
    ["gXBN", "getUserByName", false],
  ])("%s asked of %s is %s", (query, name, expected) => {
    expect(hasHumps(name, humpsAsked(query))).toBe(expected);
  });
});
