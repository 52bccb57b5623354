import { Language, Parser, type Tree } from "web-tree-sitter";
import type { GrammarName, LoadModule } from "./grammars.ts";

/**
 * Progress reports that a parse may take for each character, and some to begin with: a count, as no clock runs on
 * during a deployed Worker's computations. Tree-sitter reports every hundred steps: 0.004 to 0.014 times a character
 * in sources of hono, flask, gin and ripgrep. What takes over five times as many is ambiguous or broken, and its
 * parse would grow in memory too.
 */
const REPORTS_A_CHARACTER = 0.05;
const FIRST_REPORTS = 100;
/** Characters that tree-sitter reads at once: its buffer holds no more. */
const READ_CHARACTERS = 5000;
/**
 * Reads that a parse may take for each character, and some to begin with: once for each buffer where the text is read
 * straight on. A scanner that goes back and forth reads thousands of times more, between two reports of progress.
 */
const READS_A_CHARACTER = 0.02;
const FIRST_READS = 100;

/**
 * WebAssembly memory, in pages of 64 KiB: what tree-sitter begins with (32 MiB), and at most, so that half of an
 * isolate's 128 MB is left. The tables of all grammars take 24 MiB of it; a parse that needs more is given up.
 */
const FIRST_PAGES = 512;
const MOST_PAGES = 1024;

/**
 * Tree-sitter's parsers, started on first use: the core once, each grammar when its first file comes. Made once an
 * isolate, as WebAssembly memory is never given back.
 */
export class SyntaxParsers {
  readonly #load: LoadModule;
  readonly #modules = new Map<GrammarName, WebAssembly.Module>();
  readonly #languages = new Map<GrammarName, Language>();
  readonly #broken = new Set<GrammarName>();
  #started: Promise<void> | null = null;
  #parser: Parser | null = null;

  constructor(load: LoadModule) {
    this.#load = load;
  }

  /** To be awaited before a `parse` by the grammar. */
  async start(grammar: GrammarName): Promise<void> {
    this.#started ??= this.#load("core").then((core) => this.#init(core));
    const [module] = await Promise.all([this.#modules.get(grammar) ?? this.#load(grammar), this.#started]);
    this.#modules.set(grammar, module);
  }

  async #init(core: WebAssembly.Module): Promise<void> {
    await Parser.init({
      // What it would print is thrown as well.
      printErr: () => {},
      wasmMemory: new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES }),
      // The core comes compiled: workerd compiles nothing at run time.
      instantiateWasm: (
        imports: WebAssembly.Imports,
        receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
      ) => {
        const instance = new WebAssembly.Instance(core, imports);
        receive(instance, core);
        return instance.exports;
      },
    });
    this.#parser = new Parser();
  }

  /**
   * What `use` makes of the tree; null where the parse took more steps, reads or memory than source of its length
   * should, or the grammar's own code failed on it. The tree is freed afterwards.
   */
  parse<T>(grammar: GrammarName, source: string, use: (tree: Tree) => T): T | null {
    const parser = this.#parser;
    if (parser === null) throw new Error("the parsers have not been started");
    if (this.#broken.has(grammar)) return null;
    let tree: Tree | null = null;
    try {
      parser.setLanguage(this.#language(grammar));
      tree = boundedParse(parser, source);
      return tree === null ? null : use(tree);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      // Aborted for want of memory, which is no fault of the grammar's; else its own code failed.
      if (!error.message.startsWith("Aborted")) this.#broken.add(grammar);
      freed(parser);
      this.#parser = new Parser();
      return null;
    } finally {
      if (tree !== null) freed(tree);
    }
  }

  #language(grammar: GrammarName): Language {
    let language = this.#languages.get(grammar);
    if (language === undefined) {
      const module = this.#modules.get(grammar);
      if (module === undefined) throw new Error(`the grammar ${grammar} has not been started`);
      language = Language.loadSync(module);
      this.#languages.set(grammar, language);
    }
    return language;
  }
}

function boundedParse(parser: Parser, source: string): Tree | null {
  let reports = FIRST_REPORTS + source.length * REPORTS_A_CHARACTER;
  let reads = FIRST_READS + source.length * READS_A_CHARACTER;
  const read = (index: number) => (--reads < 0 ? undefined : source.slice(index, index + READ_CHARACTERS));
  const tree = parser.parse(read, null, { progressCallback: () => --reports < 0 || reads < 0 });
  // What was begun would be gone on with by the next file.
  if (tree === null) parser.reset();
  if (reads >= 0) return tree;
  tree?.delete();
  return null;
}

/** Frees what may be past freeing, after a parse that broke off. */
function freed(one: Parser | Tree): void {
  try {
    one.delete();
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
  }
}
