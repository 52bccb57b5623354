import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { describe, expect, it } from "vitest";

/**
 * Dependencies point one way: core ← db, clients ← features ← services ← http ← mcp ← app ← index.
 * A folder of one layer may not import another folder of the same layer.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["core"],
  ["db", "clients", "config.ts", "version.ts"],
  ["auth", "limits", "files", "indexing", "search", "answers", "audit", "backup"],
  ["services.ts"],
  ["http"],
  ["mcp"],
  ["app.ts", "queue.ts", "scheduled.ts"],
  ["index.ts"],
];
const SRC = resolve(import.meta.dirname, "../../src");

const unit = (file: string) => relative(SRC, file).split(sep)[0] ?? "";
const layerOf = (name: string) => LAYERS.findIndex((layer) => layer.includes(name));

/** Relative imports and re-exports of a file, as absolute paths. */
function importsOf(file: string): string[] {
  const source = readFileSync(file, "utf8");
  return [...source.matchAll(/(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g)].map((match) =>
    resolve(dirname(file), match[1] ?? ""),
  );
}

/** Sentences on imports that point up or sideways. */
function violations(file: string, imports: string[]): string[] {
  const from = unit(file);
  return imports.flatMap((target) => {
    const to = unit(target);
    if (to === from || to === "..") return [];
    const [fromLayer, toLayer] = [layerOf(from), layerOf(to)];
    if (toLayer < 0) return [`${relative(SRC, file)} imports ${to}, which no layer names`];
    if (toLayer < fromLayer) return [];
    return [
      `${relative(SRC, file)} imports ${toLayer === fromLayer ? "sideways" : "upward"}: ${relative(SRC, target)}`,
    ];
  });
}

describe("the layers of src", () => {
  const files = globSync("**/*.ts", { cwd: SRC }).map((file) => join(SRC, file));

  it("knows every folder and file at the top of src", () => {
    expect([...new Set(files.map(unit))].filter((name) => layerOf(name) < 0)).toEqual([]);
  });

  it("has no import that points up or sideways", () => {
    expect(files.flatMap((file) => violations(file, importsOf(file)))).toEqual([]);
  });

  it("would find one", () => {
    expect(violations(join(SRC, "core/ids.ts"), [join(SRC, "db/schema.ts")])).toHaveLength(1);
    expect(violations(join(SRC, "search/search.ts"), [join(SRC, "files/path.ts")])).toHaveLength(1);
    expect(violations(join(SRC, "search/search.ts"), [join(SRC, "core/ports.ts")])).toEqual([]);
  });
});
