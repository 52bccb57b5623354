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

/** Compiled modules: the core of tree-sitter, and one for each grammar. */
export interface GrammarModules {
  core: WebAssembly.Module;
  grammars: Readonly<Record<GrammarName, WebAssembly.Module>>;
}
