import { expect, it } from "vitest";
import { symbolName } from "../../../src/search/symbol-name.ts";

it.each([
  ["run", "run", null],
  ["  Task.run ", "run", "Task"],
  ["app::Task::run", "run", "Task"],
  ["Task#run", "run", "Task"],
  ["task->run(a, b)", "run", "task"],
  ["...", "...", null],
  ["()", "()", null],
])("symbolName of %j", (text, name, parent) => {
  expect(symbolName(text)).toEqual({ name, parent });
});
