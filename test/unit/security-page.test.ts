import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { ATTESTATIONS } from "../../src/audit/checklist.ts";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/security.md"), "utf8");

/** Tests named on the page: the file in backticks, then its titles in quotes. */
function namedTests(markdown: string): { file: string; titles: string[] }[] {
  const named = /`(test\/[^`]+\.test\.ts)`((?:,? "[^"]+")*)/g;
  return [...markdown.matchAll(named)].map(([, file = "", titles = ""]) => ({
    file,
    titles: [...titles.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? ""),
  }));
}

/** What is wrong with a reference: the file is missing, names no test, or has none of that title. */
function faults({ file, titles }: { file: string; titles: string[] }): string[] {
  const path = join(root, file);
  if (!existsSync(path)) return [`${file} does not exist`];
  const source = readFileSync(path, "utf8");
  const missing = titles.filter((title) => !source.includes(`"${title}",`));
  return [
    ...(titles.length === 0 && !file.endsWith("/security-page.test.ts")
      ? [`${file} is named without a test`]
      : []),
    ...missing.map((title) => `${file} has no test ${JSON.stringify(title)}`),
  ];
}

/** Rows of all tables whose last column is `test`. */
function testedRows(): string[] {
  const rows: string[] = [];
  let tested = false;
  for (const line of page.split("\n")) {
    if (!line.startsWith("|")) tested = false;
    else if (line.endsWith("| test |")) tested = true;
    else if (tested && !line.startsWith("| ---")) rows.push(line);
  }
  return rows;
}

describe("docs/security.md", () => {
  it("names only files and tests that exist", () => {
    const named = namedTests(page);
    expect(named.length).toBeGreaterThan(100);
    expect(named.flatMap(faults)).toEqual([]);
    const paths = [
      ...page.matchAll(/`((?:src|scripts|docs|migrations|\.ci)\/[^`\s]+|[\w.]+\.(?:toml|md|json))`/g),
    ];
    expect(paths.length).toBeGreaterThan(8);
    expect(paths.map((match) => match[1] ?? "").filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("would find a test that is gone", () => {
    const text =
      '`test/unit/config.test.ts` "takes good settings", "is not there"; `test/unit/gone.test.ts` "x"';
    expect(namedTests(text).flatMap(faults)).toEqual([
      'test/unit/config.test.ts has no test "is not there"',
      "test/unit/gone.test.ts does not exist",
    ]);
  });

  it("shows each control by a test, or says that there is none yet", () => {
    const rows = testedRows();
    expect(rows.length).toBeGreaterThan(80);
    expect(rows.filter((row) => !row.includes("`test/") && !row.includes("Not yet"))).toEqual([]);
  });

  it("says how to attest each item that only a person knows", () => {
    for (const name of Object.keys(ATTESTATIONS)) expect(page).toContain(`\n| \`${name}\` | `);
  });

  it("is linked from the README and from SECURITY.md", () => {
    for (const name of ["README.md", "SECURITY.md"]) {
      expect(readFileSync(join(root, name), "utf8")).toContain("docs/security.md");
    }
  });
});
