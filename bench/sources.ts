import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface SourceFile {
  path: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The TypeScript sources that the npm package `zod` ships: a few hundred files of real code. */
export function zodSources(): SourceFile[] {
  const root = "node_modules/zod/src";
  return globSync("**/*.ts", { cwd: root })
    .sort()
    .map((path) => ({
      path: path.replaceAll("\\", "/"),
      bytes: new Uint8Array(readFileSync(join(root, path))),
    }));
}
