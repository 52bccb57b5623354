/** Grammars that the Worker carries; several languages may share one. */
export const GRAMMARS = [
  "bash",
  "c",
  "c_sharp",
  "cpp",
  "css",
  "go",
  "html",
  "java",
  "javascript",
  "json",
  "kotlin",
  "php",
  "python",
  "ruby",
  "rust",
  "scala",
  "swift",
  "tsx",
  "typescript",
] as const;

export type GrammarName = (typeof GRAMMARS)[number];

/** A grammar, or the core of tree-sitter. */
export type ModuleName = GrammarName | "core";

/** Gives a compiled module. */
export type LoadModule = (name: ModuleName) => Promise<WebAssembly.Module>;
