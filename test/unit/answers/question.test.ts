import { describe, expect, it } from "vitest";
import { definedIn, namesIn, namesInCode, searchesFor } from "../../../src/answers/question.ts";

describe("searchesFor", () => {
  it("asks a plain question once", () => {
    expect(searchesFor("how are settings read?", null)).toEqual({
      texts: ["how are settings read?"],
      identifiers: [],
    });
  });

  it("asks the parts of a question that has several", () => {
    const { texts } = searchesFor("Where are tokens checked and how is the budget settled? And who?", null);
    expect(texts.slice(1)).toEqual(["Where are tokens checked", "how is the budget settled"]);
  });

  it("asks a follow-up together with what was asked before", () => {
    expect(searchesFor("and who calls it?", "what does retryDelay do?").texts).toEqual([
      "and who calls it?",
      "what does retryDelay do?\nand who calls it?",
    ]);
  });

  it("keeps to what a search takes", () => {
    for (const text of searchesFor("x".repeat(20_000), "y".repeat(20_000)).texts) {
      expect(text.length).toBeLessThanOrEqual(2_000);
    }
  });
});

describe("names", () => {
  it.each([
    ["what does getUserByName do?", ["getUserByName"]],
    ["Where is MAX_RETRIES used by Task.run or Task::stop?", ["MAX_RETRIES", "Task.run", "Task::stop"]],
    ["Does the Budget call settle()?", ["Budget", "settle"]],
    ["see `total` here", ["total"]],
    ["How does it work? Why?", []],
    ["日本語の質問", []],
  ])("in %j", (question, names) => {
    expect(namesIn(question)).toEqual(names);
  });

  it("in code, by use, without keywords", () => {
    expect(namesInCode("const total = sum(items); return sum(total) + sum(1);", 2)).toEqual(["sum", "total"]);
  });

  it("that code defines", () => {
    expect(definedIn("export async function a() {}\nclass B {}\ndef c(x):\nfunc d() {}")).toEqual([
      "a",
      "B",
      "c",
    ]);
  });
});
