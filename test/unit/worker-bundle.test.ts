import { globSync, readFileSync } from "node:fs";
import { join, matchesGlob, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { INPUTS } from "../../scripts/stack/worker-bundle.ts";

const root = resolve(import.meta.dirname, "../..");

describe("the kept bundle of the Worker", () => {
  it("is told from another by every file that the Worker is made of", () => {
    const made = globSync("src/**/*.*", { cwd: root }).flatMap((file) => {
      const source = readFileSync(join(root, file), "utf8");
      const imports = [...source.matchAll(/from "(\.{1,2}\/[^"]+)"/g)];
      return [file, ...imports.map(([, to = ""]) => relative(root, resolve(root, file, "..", to)))];
    });
    expect(made).toContain("package.json");
    expect(made.filter((file) => !INPUTS.some((input) => matchesGlob(file, input)))).toEqual([]);
  });
});
