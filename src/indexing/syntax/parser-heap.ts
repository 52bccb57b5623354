/**
 * WebAssembly memory of all parsers, in pages of 64 KiB: what tree-sitter begins with (32 MiB), and at most, so that
 * half of an isolate's 128 MB is left. The tables of all grammars take 28 MiB of it; a parse that needs more than the
 * rest is given up.
 */
const FIRST_PAGES = 512;
const MOST_PAGES = 1024;
/** More than any hole between grammars: so large a piece can only come from the heap's free end. */
const PROBE_BYTES = 1024 * 1024;
/** The allocator (dlmalloc) keeps two words about a piece right before it. */
const HEADER_BYTES = 8;

/** What the core exports of its allocator and its stack. */
interface CoreExports {
  malloc(bytes: number): number;
  free(address: number): void;
  emscripten_stack_get_current(): number;
  _emscripten_stack_restore(address: number): void;
}

export function newParserMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES });
}

/**
 * The heap and the stack that tree-sitter's core and all grammars share. `restore` drops what a parse added, however
 * it ended: where memory ran out in the middle of one, nothing else would make the heap whole again, and the next
 * file, of another workspace, would be parsed in what is left.
 *
 * Kept for that are the memory up to the parser's end, which holds the state of the core, of its allocator and of the
 * parser (some 100 KiB), and the header where the free end begins. Grammars' tables stay as they are: no parse writes
 * to them.
 */
export class ParserHeap {
  readonly #memory: WebAssembly.Memory;
  readonly #core: CoreExports;
  readonly #stack: number;
  /** Where what is kept ends: a piece of its own, behind the parser and before the first grammar. */
  readonly #keptEnd: number;
  #kept = new Uint8Array();
  #free = 0;
  #freeHeader = new Uint8Array();

  /** To be made once the parser is, and before a grammar is loaded. */
  constructor(memory: WebAssembly.Memory, exports: WebAssembly.Exports) {
    this.#memory = memory;
    this.#core = exports as unknown as CoreExports;
    this.#stack = this.#core.emscripten_stack_get_current();
    this.#keptEnd = this.#core.malloc(1);
    this.keep();
  }

  /** Makes what is there now what `restore` goes back to: between parses, once a grammar was loaded. */
  keep(): void {
    const probe = this.#core.malloc(PROBE_BYTES);
    if (probe === 0) throw new Error("the parsers' memory has no room for another grammar");
    this.#core.free(probe);
    const bytes = new Uint8Array(this.#memory.buffer);
    this.#free = probe - HEADER_BYTES;
    this.#freeHeader = bytes.slice(this.#free, probe);
    this.#kept = bytes.slice(0, this.#keptEnd);
  }

  /** Whether so many bytes are free in one piece. They are asked for and given back, untouched. */
  hasRoom(bytes: number): boolean {
    const address = this.#core.malloc(bytes);
    if (address !== 0) this.#core.free(address);
    return address !== 0;
  }

  restore(): void {
    // After the memory has grown its buffer is another one.
    const bytes = new Uint8Array(this.#memory.buffer);
    bytes.set(this.#kept);
    bytes.set(this.#freeHeader, this.#free);
    this.#core._emscripten_stack_restore(this.#stack);
  }
}
