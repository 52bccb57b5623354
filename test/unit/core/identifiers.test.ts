import { describe, expect, it } from "vitest";
import { splitIdentifier } from "../../../src/core/identifiers.ts";

describe("splitIdentifier", () => {
  it.each([
    ["getUserByName", ["get", "user", "by", "name"]],
    ["HTTPServer2", ["http", "server", "2"]],
    ["snake_case_name", ["snake", "case", "name"]],
    ["SCREAMING_CASE", ["screaming", "case"]],
    ["größeÄndern", ["größe", "ändern"]],
    ["$el", ["el"]],
    ["x", ["x"]],
    ["__", []],
  ])("splits %s", (identifier, words) => {
    expect(splitIdentifier(identifier)).toEqual(words);
  });
});
