import { describe, expect, it } from "vitest";
import { isTest, speaksOfTests } from "../../../src/search/test-paths.ts";

describe("tests", () => {
  it.each([
    "test/unit/a.ts",
    "src/__tests__/a.js",
    "pkg/testdata/a.json",
    "src/a.test.ts",
    "src/a.spec.tsx",
    "gin_test.go",
    "tests.rs",
    "test_client.py",
    "a/conftest.py",
    "src/UserTest.java",
    "UserTests.cs",
    "spec/models/user.rb",
  ])("are told by their path: %s", (path) => expect(isTest(path)).toBe(true));

  it.each([
    "src/flask/testing.py",
    "src/latest.ts",
    "contest/a.ts",
    "src/attest.ts",
    "src/inspect/a.ts",
    "Latest.java",
    "src/spectrum.ts",
    "",
  ])("are not %s", (path) => expect(isTest(path)).toBe(false));

  it.each([
    ["which tests cover parsing", true],
    ["test_client", true],
    ["createMockServer", true],
    ["how is the newest version found", false],
    ["latest contest", false],
    ["src/tests", true],
  ])("are what %s asks for: %s", (query, asked) => expect(speaksOfTests(query)).toBe(asked));
});
