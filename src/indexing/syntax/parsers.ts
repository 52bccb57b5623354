import { Language, type ParseCallback, Parser, type Tree } from "web-tree-sitter";
import { nextTurn } from "../../core/turn.ts";
import type { GrammarName, LoadModule } from "./grammars.ts";
import { newParserMemory, ParserHeap } from "./parser-heap.ts";

/**
 * Progress reports that a parse may take for each character, and some to begin with. Tree-sitter reports every hundred
 * steps: 0.004 to 0.014 times a character in sources of hono, flask, gin and ripgrep. What takes over three times as
 * many is ambiguous or broken, and its parse would grow in memory too.
 */
const REPORTS_A_CHARACTER = 0.05;
const FIRST_REPORTS = 100;
/**
 * Characters that tree-sitter is given at once. It asks again when it looks at others, so that the number of reads
 * tells how much it looks at, which between two reports of progress may be the whole text for each of its characters.
 */
const READ_CHARACTERS = 256;
/**
 * Reads that a parse may take for each character, and some to begin with. Text read straight on takes a 256th; Python's
 * scanner reads on from each line of a comment to the comment's end.
 */
const READS_A_CHARACTER = 2;
const FIRST_READS = 500;
/**
 * Milliseconds that the files of one message may be parsed for, all together; what is left is cut by lines. A message
 * holds 256 KiB, which take half a second; a file made to be hard takes minutes, as each step of an error's repair
 * looks at all that is not closed yet. A consumer has ten messages, and 300 s of CPU.
 */
const PARSE_MS = 10_000;
/** Reports after which a parse waits for a turn of the event loop: at first and at most. Most files take fewer. */
const TURN_REPORTS = 128;
/** Milliseconds between two turns, from which on they come more often. */
const TURN_MS = 50;
/** Bytes that are free once a file is parsed: 24 for each child of a node, whose number is nowhere above that of characters. */
const NODES_BYTES = 24 * 256 * 1024;
/** Milliseconds after which a parse that does not go on has ended with the request that it was for. */
const ABANDONED_MS = 60_000;

/** Tree-sitter's core, started, and the grammars that it has loaded. */
interface Core {
  parser: Parser;
  heap: ParserHeap;
  languages: Map<GrammarName, Language>;
  /** The parse under way, where it waits for its next turn: there is room for one. */
  holder: Holder | null;
}

interface Holder {
  /** Milliseconds since the epoch. */
  renewedAtMs: number;
}

/** Parses files. */
export interface FileParser {
  /**
   * What `use` makes of the tree, which is gone afterwards; null where the parse took more steps, reads, memory or
   * time than source of its length should, or the grammar's own code failed on it.
   */
  parse<T>(grammar: GrammarName, source: string, use: (tree: Tree) => T): Promise<T | null>;
}

/**
 * Tree-sitter's parsers, started on first use: the core once, each grammar when its first file comes. Made once an
 * isolate, as WebAssembly memory is never given back.
 */
export class SyntaxParsers {
  /** web-tree-sitter has one core, with one memory, for all that import it: whoever needs it first starts it. */
  static #core: Promise<Core> | null = null;
  readonly #load: LoadModule;

  constructor(load: LoadModule) {
    this.#load = load;
  }

  /** A parser for the files of one message or request, which together have `ms` milliseconds. */
  forMessage(ms: number = PARSE_MS): FileParser {
    const time = new ParseTime(ms);
    return { parse: (grammar, source, use) => this.#parse(grammar, source, use, time) };
  }

  async #parse<T>(
    grammar: GrammarName,
    source: string,
    use: (tree: Tree) => T,
    time: ParseTime,
  ): Promise<T | null> {
    SyntaxParsers.#core ??= this.#load("core").then(startCore);
    const core = await SyntaxParsers.#core;
    const module = core.languages.has(grammar) ? null : await this.#load(grammar);
    const holder = { renewedAtMs: 0 };
    // Each waits by a timer of its own: another request's promise would never settle where that request had ended.
    while (!time.isSpent && !take(core, holder)) await nextTurn();
    if (core.holder !== holder) return null;
    time.start();
    let tree: Tree | null = null;
    let isClean = false;
    try {
      if (module !== null) loadLanguage(core, grammar, module);
      core.parser.setLanguage(core.languages.get(grammar) ?? null);
      tree = await boundedParse(core, holder, source, time);
      // Nothing looks whether what a node's children are listed in could be had.
      if (tree === null || !core.heap.hasRoom(NODES_BYTES)) return null;
      isClean = !tree.rootNode.hasError;
      return use(tree);
    } catch (error) {
      if (isBreakdown(error)) return null;
      throw error;
    } finally {
      if (core.holder === holder) {
        core.holder = null;
        if (tree !== null) forget(tree);
        core.heap.restore();
      }
      if (!isClean) await time.stop();
    }
  }
}

/** @returns whether the core was free; who does not renew its hold has lost it. */
function take(core: Core, holder: Holder): boolean {
  holder.renewedAtMs = Date.now();
  if (core.holder !== null) {
    if (holder.renewedAtMs - core.holder.renewedAtMs < ABANDONED_MS) return false;
    core.heap.restore();
  }
  core.holder = holder;
  return true;
}

/**
 * How long parses may still take. Locally a clock runs on during computations. In a deployed Worker it does with each
 * turn of the event loop alone, in which others may compute as well: what the next turn takes, too, is taken for theirs.
 */
class ParseTime {
  readonly #ms: number;
  #spent = 0;
  #started = 0;

  constructor(ms: number) {
    this.#ms = ms;
  }

  get isSpent(): boolean {
    return this.#spent >= this.#ms;
  }

  start(): void {
    this.#started = Date.now();
  }

  /** Whether it is spent by now, seen from within a computation. */
  get isRunningOut(): boolean {
    return this.#spent + Date.now() - this.#started >= this.#ms;
  }

  /** Counts what was computed since the start, and gives others their turn. @returns milliseconds. */
  async stop(): Promise<number> {
    const started = this.#started;
    const computed = Date.now() - started;
    await nextTurn();
    let took = computed > 0 ? computed : Date.now() - started;
    if (computed === 0 && took > TURN_MS) {
      const stopped = Date.now();
      await nextTurn();
      took = Math.max(0, took - (Date.now() - stopped));
    }
    this.#spent += took;
    return took;
  }
}

async function startCore(module: WebAssembly.Module): Promise<Core> {
  const memory = newParserMemory();
  let exports: WebAssembly.Exports = {};
  await Parser.init({
    // What it would print is thrown as well.
    printErr: () => {},
    wasmMemory: memory,
    // The core comes compiled: workerd compiles nothing at run time.
    instantiateWasm: (
      imports: WebAssembly.Imports,
      receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
    ) => {
      const instance = new WebAssembly.Instance(module, imports);
      exports = instance.exports;
      receive(instance, module);
      return exports;
    },
  });
  return { parser: new Parser(), heap: new ParserHeap(memory, exports), languages: new Map(), holder: null };
}

/** Between parses. */
function loadLanguage({ languages, heap }: Core, grammar: GrammarName, module: WebAssembly.Module): void {
  if (languages.has(grammar)) return;
  languages.set(grammar, Language.loadSync(module));
  heap.keep();
}

async function boundedParse(
  core: Core,
  holder: Holder,
  source: string,
  time: ParseTime,
): Promise<Tree | null> {
  let reports = FIRST_REPORTS + source.length * REPORTS_A_CHARACTER;
  let reads = FIRST_READS + source.length * READS_A_CHARACTER;
  let untilTurn = 0;
  let isParsed = false;
  const isOver = () => reports < 0 || reads < 0 || time.isRunningOut;
  const read = (index: number) => {
    // Nodes of the finished tree take their text from here as well.
    if (isParsed) return source.slice(index);
    reads--;
    return isOver() ? undefined : source.slice(index, index + READ_CHARACTERS);
  };
  const progressCallback = () => {
    reports--;
    return --untilTurn < 0 || isOver();
  };
  for (let most = TURN_REPORTS; ; ) {
    untilTurn = most;
    time.start();
    // Called again after it was stopped, it goes on where it was.
    const tree = stepped(core.parser, read, progressCallback);
    if (tree === "broken off") return null;
    if (isOver()) {
      // Of a text that was not read to its end.
      if (tree !== null) forget(tree);
      return null;
    }
    if (tree !== null) {
      isParsed = true;
      return tree;
    }
    const took = await time.stop();
    // Another may have taken it for ended: then what was begun is gone.
    if (core.holder !== holder || time.isSpent) return null;
    holder.renewedAtMs = Date.now();
    most = took > TURN_MS ? Math.max(1, most >> 1) : Math.min(TURN_REPORTS, most * 2);
  }
}

/** What it throws comes from WebAssembly: memory ran out, an assertion failed (by a function that is not there). */
function stepped(parser: Parser, read: ParseCallback, progressCallback: () => boolean) {
  try {
    return parser.parse(read, null, { progressCallback });
  } catch {
    return "broken off";
  }
}

/** Out of memory ("Aborted"), a fault of the grammar's own code, or out of V8's stack. */
function isBreakdown(error: unknown): boolean {
  return (
    error instanceof WebAssembly.RuntimeError ||
    (error instanceof RangeError && error.message.includes("call stack"))
  );
}

/** So that no finalizer frees it later on; what it holds is dropped with the rest of the heap. */
function forget(tree: Tree): void {
  try {
    tree.delete();
  } catch (error) {
    if (!isBreakdown(error)) throw error;
  }
}
