import { describe, expect, it } from "vitest";
import { extensionOf, languageOf } from "../../../src/core/languages.ts";

describe("languageOf", () => {
  it.each([
    ["src/a.ts", "typescript"],
    ["SRC/A.TS", "typescript"],
    ["a.d.ts", "typescript"],
    ["x/Dockerfile", "dockerfile"],
    ["CMakeLists.txt", "cmake"],
    ["include/a.hpp", "cpp"],
    ["a.b/README", "text"],
    ["a.constructor", "text"],
    ["__proto__", "text"],
    ["日本語.py", "python"],
  ])("%s is %s", (path, language) => {
    expect(languageOf(path)).toBe(language);
  });
});

describe("extensionOf", () => {
  it.each([
    ["a/b.test.TS", "ts"],
    [".gitignore", ""],
    ["a.d/README", ""],
    ["x.", ""],
  ])("%s has %j", (path, extension) => {
    expect(extensionOf(path)).toBe(extension);
  });
});
