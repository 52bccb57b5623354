import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SyntaxParsers } from "../../src/indexing/syntax/parsers.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Parsers in Node, on the very modules that the Worker's bundle carries: `grammar-modules.ts` names their files. */
export function parsersInNode(): SyntaxParsers {
  const source = readFileSync(join(ROOT, "src/indexing/syntax/grammar-modules.ts"), "utf8");
  const files = new Map(
    [...source.matchAll(/(\w+): \(\) => import\("([^"]+\.wasm)"\)/g)].map(([, name = "", file = ""]) => [
      name,
      file,
    ]),
  );
  return new SyntaxParsers(async (name) => {
    const file = files.get(name);
    if (file === undefined) throw new Error(`grammar-modules.ts has no ${name}`);
    const bytes = readFileSync(join(ROOT, "node_modules", file));
    // In the types of Workers it cannot be constructed, as there it cannot.
    const { Module } = WebAssembly as unknown as { Module: new (bytes: Uint8Array) => WebAssembly.Module };
    return new Module(bytes);
  });
}
