import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { isPermissive, licencesPage, licensed, readLock } from "../../scripts/licences.ts";

const root = resolve(import.meta.dirname, "../..");

describe("licences", () => {
  it("are permissive for everything that is shipped", () => {
    const shipped = licensed(readLock()).filter(({ development }) => !development);
    expect(shipped.length).toBeGreaterThan(20);
    expect(shipped.filter(({ licence }) => !isPermissive(licence))).toEqual([]);
  });

  it("are listed for every dependency of ours: `npm run licences` writes the page anew", () => {
    const page = readFileSync(join(root, "docs/licences.md"), "utf8");
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(Object.keys(dependencies).filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([]);
    expect(licencesPage(readLock()).split("\n").length).toBeGreaterThan(50);
  });

  it.each([
    ["MIT", true],
    ["(MIT OR GPL-3.0)", true],
    ["Apache-2.0 AND LGPL-3.0-or-later", false],
    ["AGPL-3.0", false],
    ["unknown", false],
  ])("reads %s as an SPDX expression", (expression, permissive) => {
    expect(isPermissive(expression)).toBe(permissive);
  });
});
