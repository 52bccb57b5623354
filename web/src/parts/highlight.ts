import type { HighlighterCore } from "shiki/core";

export interface Token {
  content: string;
  /** Colours for light and dark, as CSS values; set by the script, as the policy forbids `style` attributes. */
  light: string | undefined;
  dark: string | undefined;
}

/** Grammars, each loaded with the first file of its language. Others are shown plain. */
const GRAMMARS: Record<string, () => Promise<{ default: unknown }>> = {
  typescript: () => import("shiki/langs/typescript.mjs"),
  tsx: () => import("shiki/langs/tsx.mjs"),
  javascript: () => import("shiki/langs/javascript.mjs"),
  python: () => import("shiki/langs/python.mjs"),
  go: () => import("shiki/langs/go.mjs"),
  rust: () => import("shiki/langs/rust.mjs"),
  java: () => import("shiki/langs/java.mjs"),
  c: () => import("shiki/langs/c.mjs"),
  cpp: () => import("shiki/langs/cpp.mjs"),
  csharp: () => import("shiki/langs/csharp.mjs"),
  ruby: () => import("shiki/langs/ruby.mjs"),
  php: () => import("shiki/langs/php.mjs"),
  kotlin: () => import("shiki/langs/kotlin.mjs"),
  swift: () => import("shiki/langs/swift.mjs"),
  scala: () => import("shiki/langs/scala.mjs"),
  shell: () => import("shiki/langs/bash.mjs"),
  bash: () => import("shiki/langs/bash.mjs"),
  css: () => import("shiki/langs/css.mjs"),
  html: () => import("shiki/langs/html.mjs"),
  json: () => import("shiki/langs/json.mjs"),
  yaml: () => import("shiki/langs/yaml.mjs"),
  toml: () => import("shiki/langs/toml.mjs"),
  sql: () => import("shiki/langs/sql.mjs"),
  markdown: () => import("shiki/langs/markdown.mjs"),
};
/** Longer texts are shown plain: colouring them would stop the page for a while. In UTF-16 units. */
const LONGEST = 200_000;

let highlighter: Promise<HighlighterCore> | null = null;

async function load(): Promise<HighlighterCore> {
  const [{ createHighlighterCore }, { createJavaScriptRegexEngine }, light, dark] = await Promise.all([
    import("shiki/core"),
    import("shiki/engine/javascript"),
    import("shiki/themes/github-light-high-contrast.mjs"),
    import("shiki/themes/github-dark-high-contrast.mjs"),
  ]);
  return createHighlighterCore({
    themes: [light.default, dark.default],
    langs: [],
    // The other engine is WebAssembly, which the Content-Security-Policy does not allow.
    engine: createJavaScriptRegexEngine({ forgiving: true }),
  });
}

/** Lines of coloured pieces; null where the language is not known, or the text is too long. */
export async function highlight(text: string, language: string): Promise<Token[][] | null> {
  const grammar = GRAMMARS[language];
  if (grammar === undefined || text.length > LONGEST) return null;
  highlighter ??= load();
  const [core, lang] = await Promise.all([highlighter, grammar()]);
  const name = language === "shell" ? "bash" : language;
  if (!core.getLoadedLanguages().includes(name)) await core.loadLanguage(lang.default as never);
  const lines = core.codeToTokensWithThemes(text, {
    lang: name,
    themes: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    // Or a line that takes half a second, as the first one does on a slow machine while patterns are compiled, is
    // left half read, and all that follows a comment is coloured as one. `LONGEST` bounds the work.
    tokenizeTimeLimit: 0,
  });
  return lines.map((line) =>
    line.map(({ content, variants }) => ({
      content,
      light: variants["light"]?.color,
      dark: variants["dark"]?.color,
    })),
  );
}
