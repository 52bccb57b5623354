import type { LoadModule, ModuleName } from "./grammars.ts";

/**
 * The WebAssembly modules, as the Worker's bundle carries them: workerd compiles none at run time, so each is
 * imported by name, with the first file that needs it. Only `services.ts` imports this file, as nothing but workerd can.
 */
const MODULES: Readonly<Record<ModuleName, () => Promise<{ default: WebAssembly.Module }>>> = {
  bash: () => import("@cursorless/tree-sitter-wasms/out/tree-sitter-bash.wasm"),
  html: () => import("@cursorless/tree-sitter-wasms/out/tree-sitter-html.wasm"),
  json: () => import("@cursorless/tree-sitter-wasms/out/tree-sitter-json.wasm"),
  kotlin: () => import("@cursorless/tree-sitter-wasms/out/tree-sitter-kotlin.wasm"),
  scala: () => import("@cursorless/tree-sitter-wasms/out/tree-sitter-scala.wasm"),
  c: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-c.wasm"),
  c_sharp: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-c_sharp.wasm"),
  cpp: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-cpp.wasm"),
  css: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-css.wasm"),
  go: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-go.wasm"),
  java: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-java.wasm"),
  javascript: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-javascript.wasm"),
  php: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-php.wasm"),
  python: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-python.wasm"),
  ruby: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-ruby.wasm"),
  rust: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-rust.wasm"),
  swift: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-swift.wasm"),
  tsx: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-tsx.wasm"),
  typescript: () => import("@repomix/tree-sitter-wasms/out/tree-sitter-typescript.wasm"),
  core: () => import("web-tree-sitter/web-tree-sitter.wasm"),
};

export const bundledModule: LoadModule = async (name) => (await MODULES[name]()).default;
