import type { Block } from "./block.ts";
import type { GrammarName } from "./grammars.ts";
import { outline } from "./outline.ts";
import { outlineSql } from "./outline-sql.ts";
import { outlineToml } from "./outline-toml.ts";
import type { SyntaxParsers } from "./parsers.ts";
import { RULES } from "./rules-languages.ts";

/** Grammar that reads a language, where one does. */
const GRAMMAR_OF: Readonly<Record<string, GrammarName>> = {
  bash: "bash",
  c: "c",
  cpp: "cpp",
  csharp: "c_sharp",
  css: "css",
  go: "go",
  html: "html",
  java: "java",
  javascript: "javascript",
  json: "json",
  kotlin: "kotlin",
  markdown: "markdown",
  php: "php",
  python: "python",
  ruby: "ruby",
  rust: "rust",
  scala: "scala",
  swift: "swift",
  tsx: "tsx",
  typescript: "typescript",
  yaml: "yaml",
};

/**
 * UTF-16 units that are parsed: a tree takes some forty times the memory of its source, and WebAssembly memory is
 * never given back. What is longer is mostly generated.
 */
export const LONGEST_PARSED = 512 * 1024;

/** The blocks of a file by its syntax; null where the language has no grammar here, or the file cannot be read by it. */
export async function blocksOf(
  source: string,
  language: string,
  parsers: SyntaxParsers,
): Promise<Block[] | null> {
  if (language === "sql") return outlineSql(source);
  if (language === "toml") return outlineToml(source);
  const grammar = Object.hasOwn(GRAMMAR_OF, language) ? GRAMMAR_OF[language] : undefined;
  if (grammar === undefined || source.length > LONGEST_PARSED) return null;
  await parsers.start();
  const tree = parsers.parse(grammar, source);
  if (tree === null) return null;
  try {
    return tree.rootNode.isError ? null : outline(tree, source, RULES[grammar]);
  } finally {
    tree.delete();
  }
}
