import type { Block } from "./block.ts";
import type { GrammarName } from "./grammars.ts";
import { outline } from "./outline.ts";
import { outlineMarkdown } from "./outline-markdown.ts";
import { outlineSql } from "./outline-sql.ts";
import { outlineToml } from "./outline-toml.ts";
import { outlineYaml } from "./outline-yaml.ts";
import type { FileParser } from "./parsers.ts";
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
  php: "php",
  python: "python",
  ruby: "ruby",
  rust: "rust",
  scala: "scala",
  swift: "swift",
  tsx: "tsx",
  typescript: "typescript",
};

/** Formats whose structure shows in how lines begin, or that have no grammar fit for WebAssembly. */
const BY_LINES: Readonly<Record<string, (source: string) => Block[]>> = {
  markdown: outlineMarkdown,
  sql: outlineSql,
  toml: outlineToml,
  yaml: outlineYaml,
};

/**
 * UTF-16 units that are parsed: a tree takes some forty times the memory of its source, and WebAssembly memory is
 * never given back. What is longer is mostly generated.
 */
const LONGEST_PARSED = 256 * 1024;

/** The blocks of a file by its syntax; null where the language has no grammar here, or the file cannot be read by it. */
export async function blocksOf(
  source: string,
  language: string,
  parser: FileParser,
): Promise<Block[] | null> {
  const read = Object.hasOwn(BY_LINES, language) ? BY_LINES[language] : undefined;
  if (read !== undefined) return read(source);
  const grammar = Object.hasOwn(GRAMMAR_OF, language) ? GRAMMAR_OF[language] : undefined;
  if (grammar === undefined || source.length > LONGEST_PARSED) return null;
  // No source has a NUL, and tree-sitter's scanners take it for the end.
  if (source.includes("\0")) return null;
  return parser.parse(grammar, source, (tree) =>
    tree.rootNode.isError ? null : outline(tree, source, RULES[grammar]),
  );
}
