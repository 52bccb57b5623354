/**
 * The WebAssembly modules, as the Worker's bundle carries them: workerd compiles none at run time, so each is
 * imported by name. Only `services.ts` imports this file, as nothing but workerd can.
 */
import bash from "@cursorless/tree-sitter-wasms/out/tree-sitter-bash.wasm";
import html from "@cursorless/tree-sitter-wasms/out/tree-sitter-html.wasm";
import json from "@cursorless/tree-sitter-wasms/out/tree-sitter-json.wasm";
import kotlin from "@cursorless/tree-sitter-wasms/out/tree-sitter-kotlin.wasm";
import scala from "@cursorless/tree-sitter-wasms/out/tree-sitter-scala.wasm";
import c from "@repomix/tree-sitter-wasms/out/tree-sitter-c.wasm";
import c_sharp from "@repomix/tree-sitter-wasms/out/tree-sitter-c_sharp.wasm";
import cpp from "@repomix/tree-sitter-wasms/out/tree-sitter-cpp.wasm";
import css from "@repomix/tree-sitter-wasms/out/tree-sitter-css.wasm";
import go from "@repomix/tree-sitter-wasms/out/tree-sitter-go.wasm";
import java from "@repomix/tree-sitter-wasms/out/tree-sitter-java.wasm";
import javascript from "@repomix/tree-sitter-wasms/out/tree-sitter-javascript.wasm";
import php from "@repomix/tree-sitter-wasms/out/tree-sitter-php.wasm";
import python from "@repomix/tree-sitter-wasms/out/tree-sitter-python.wasm";
import ruby from "@repomix/tree-sitter-wasms/out/tree-sitter-ruby.wasm";
import rust from "@repomix/tree-sitter-wasms/out/tree-sitter-rust.wasm";
import swift from "@repomix/tree-sitter-wasms/out/tree-sitter-swift.wasm";
import tsx from "@repomix/tree-sitter-wasms/out/tree-sitter-tsx.wasm";
import typescript from "@repomix/tree-sitter-wasms/out/tree-sitter-typescript.wasm";
import core from "web-tree-sitter/web-tree-sitter.wasm";
import type { GrammarModules } from "./grammars.ts";

export const BUNDLED_GRAMMARS: GrammarModules = {
  core,
  grammars: {
    bash,
    c,
    c_sharp,
    cpp,
    css,
    go,
    html,
    java,
    javascript,
    json,
    kotlin,
    php,
    python,
    ruby,
    rust,
    scala,
    swift,
    tsx,
    typescript,
  },
};
