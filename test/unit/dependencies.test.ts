import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const pkg = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

describe("dependencies", () => {
  it("have a line of reason each, where the Worker carries them", () => {
    const page = readFileSync(join(root, "docs/dependencies.md"), "utf8");
    const missing = Object.keys(pkg.dependencies).filter((name) => !page.includes(`| \`${name}\` |`));
    expect(missing).toEqual([]);
  });

  it("are pinned to exact versions", () => {
    const ranges = Object.entries<string>({ ...pkg.dependencies, ...pkg.devDependencies }).filter(
      ([, range]) => !/^(npm:.+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(range),
    );
    expect(ranges).toEqual([]);
  });

  it("come from one workerd, so that tests and deployments agree", () => {
    const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
    const copies = Object.keys(lock.packages).filter((name) => /(^|\/)node_modules\/workerd$/.test(name));
    expect(copies).toEqual(["node_modules/workerd"]);
  });

  it("name no registry host in the lock file", () => {
    expect(readFileSync(join(root, "package-lock.json"), "utf8")).not.toMatch(
      /"resolved"|https?:\/\/[^"]*registry/,
    );
  });
});
