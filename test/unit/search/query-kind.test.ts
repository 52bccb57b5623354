import { describe, expect, it } from "vitest";
import { kindOf } from "../../../src/search/query-kind.ts";

describe("kindOf", () => {
  it.each([
    ["getUserByName", "identifier"],
    ["get_user_by_name", "identifier"],
    ["Task::run", "identifier"],
    ["user.name()", "identifier"],
    ["Task.run", "identifier"],
    ["#private", "identifier"],
    ["retry", "question"],
    ["Überprüfung", "question"],
    ["src/http/routes/search.ts", "path"],
    ["app.ts", "path"],
    ["src/http/", "path"],
    ["./a/b/c", "path"],
    ["TypeError: x is not a function", "error"],
    ["failed to open database", "error"],
    ["ECONNREFUSED 127.0.0.1:5432", "error"],
    ["where do we throw a TypeError?", "question"],
    ["how are uploads checked for path traversal?", "question"],
    ["read/write lock", "question"],
    ["", "question"],
    ["検索", "question"],
  ])("%s → %s", (query, kind) => {
    expect(kindOf(query)).toBe(kind);
  });

  it("answers at once for hostile texts", () => {
    const began = performance.now();
    for (const text of [
      "a/".repeat(1000),
      "a.".repeat(1000),
      "(".repeat(2000),
      `expected ${"a ".repeat(900)}`,
    ]) {
      kindOf(text.slice(0, 2000));
    }
    expect(performance.now() - began).toBeLessThan(500);
  });
});
