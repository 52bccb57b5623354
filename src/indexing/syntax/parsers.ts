import { Language, Parser, type Tree } from "web-tree-sitter";
import type { GrammarModules, GrammarName } from "./grammars.ts";

/**
 * Progress reports that a parse may take for each character, and some to begin with: a count, as no clock runs on
 * during a deployed Worker's computations. Tree-sitter reports every hundred steps; ordinary code takes under one
 * step a character, what is ambiguous or broken some more.
 */
const REPORTS_A_CHARACTER = 0.5;
const FIRST_REPORTS = 2000;

/**
 * Tree-sitter's parsers, started on first use: the core once, each grammar when its first file comes. Made once an
 * isolate, as WebAssembly memory is never given back.
 */
export class SyntaxParsers {
  readonly #modules: GrammarModules;
  readonly #languages = new Map<GrammarName, Language>();
  readonly #broken = new Set<GrammarName>();
  #started: Promise<void> | null = null;
  #parser: Parser | null = null;

  constructor(modules: GrammarModules) {
    this.#modules = modules;
  }

  /** To be awaited before the first `parse`. */
  start(): Promise<void> {
    this.#started ??= Parser.init({
      // The core comes compiled: workerd compiles nothing at run time.
      instantiateWasm: (
        imports: WebAssembly.Imports,
        receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
      ) => {
        const instance = new WebAssembly.Instance(this.#modules.core, imports);
        receive(instance, this.#modules.core);
        return instance.exports;
      },
    }).then(() => {
      this.#parser = new Parser();
    });
    return this.#started;
  }

  /**
   * The tree, to be deleted by the caller; null where it took more steps than source of its length should, or the
   * grammar's own code failed on it.
   */
  parse(grammar: GrammarName, source: string): Tree | null {
    const parser = this.#parser;
    if (parser === null) throw new Error("the parsers have not been started");
    if (this.#broken.has(grammar)) return null;
    let language = this.#languages.get(grammar);
    if (language === undefined) {
      language = Language.loadSync(this.#modules.grammars[grammar]);
      this.#languages.set(grammar, language);
    }
    parser.setLanguage(language);
    let reports = FIRST_REPORTS + source.length * REPORTS_A_CHARACTER;
    try {
      const tree = parser.parse(source, null, { progressCallback: () => --reports < 0 });
      // What was begun would be gone on with by the next file.
      if (tree === null) parser.reset();
      return tree;
    } catch (error) {
      // A trap in WebAssembly: what the parser holds is not to be trusted, nor is the grammar in this isolate.
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.#broken.add(grammar);
      this.#parser = new Parser();
      return null;
    }
  }
}
