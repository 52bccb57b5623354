import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { collected, dollars, kinds, share, upToFifty, upward, whole } from "../../../cli/arguments.ts";

describe("values of options", () => {
  it.each([
    ["a whole number", whole, "12", 12],
    ["a number of results", upToFifty, "50", 50],
    ["a number of lines", upward, "0", 0],
    ["a share", share, "0.25", 0.25],
    ["a share without its nought", share, ".5", 0.5],
    ["the whole share", share, "1", 1],
    ["dollars", dollars, "2.50", 2.5],
    ["dollars that anything is above", dollars, "-1", -1],
    ["names", collected, "ts,,py", ["ts", "py"]],
    ["kinds", kinds, "function,class", ["function", "class"]],
  ])("reads %s", (_, read, text, value) => {
    expect(read(text)).toEqual(value);
  });

  it.each([
    [whole, "0"],
    [whole, "1.5"],
    [whole, "1e3"],
    [upToFifty, "51"],
    [upward, "-1"],
    [share, "1.1"],
    [share, "-0.1"],
    [share, "abc"],
    [share, ""],
    [share, "NaN"],
    [dollars, "abc"],
    [dollars, ""],
    [dollars, "1,50"],
    [dollars, "--1"],
    [kinds, "function,verb"],
  ])("refuses what %o cannot be: %j", (read, text) => {
    expect(() => read(text)).toThrow(InvalidArgumentError);
  });
});
