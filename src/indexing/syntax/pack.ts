import type { Block } from "./block.ts";

/** How blocks become chunks. Sizes are in tokens of the embedding model. */
export interface PackOptions {
  maxTokens: number;
  /** A definition of this size stands alone; smaller ones are put together with their neighbours. */
  aloneTokens: number;
  /** Small definitions are put together with their neighbours up to this size. */
  runTokens: number;
}

/** Lines of one chunk: indexes from 0, inclusive. */
export interface Piece {
  start: number;
  end: number;
  tokens: number;
}

/** What is cut into pieces: the cost of its lines, and whether they say anything. */
export interface Lines {
  /** Tokens of the lines before each index; one more entry than there are lines. */
  before: Float64Array;
  /** A closing bracket, a blank line. */
  isMute(line: number): boolean;
}

/** A piece may be over its bound by this: by closing brackets, and by a rest of a few words. */
export const OVER_TOKENS = 16;
/** Kinds that stand alone where they are large enough; data is told by its neighbours. */
const ALONE = new Set(["function", "method", "class", "interface", "enum", "module", "type"]);
/** Tokens of a closing line at most: it goes with what is before it, be that over the bound. */
const MUTE_TOKENS = 4;
/** Share of the bound from which a chunk is full enough to be ended before a large block. */
const FULL = 0.5;

/**
 * Cuts lines into pieces: a block that fits stays whole, one that does not is cut at the blocks within it. Pieces
 * cover all lines in order. A line, or a block with none within, that is too long is a piece over the bound: it is
 * for the caller to cut.
 */
export function pack(blocks: Block[], from: number, to: number, lines: Lines, options: PackOptions): Piece[] {
  const packer = new Packer(lines, options);
  packer.level(blocks, from, to, evenBound(packer.cost(from, to), options.maxTokens));
  return packer.finish();
}

/** The bound that cuts into as few pieces, of about equal size: a large function has no small rest. */
function evenBound(tokens: number, maxTokens: number): number {
  const pieces = Math.ceil(tokens / maxTokens);
  return Math.min(maxTokens, (tokens / pieces) * 1.2);
}

function isNamed(block: Block): boolean {
  return block.definitions.some(({ kind }) => ALONE.has(kind));
}

/** Whether a definition that may stand alone is within. */
function holdsNamed(block: Block): boolean {
  return block.children.some((child) => isNamed(child) || holdsNamed(child));
}

class Packer {
  readonly #pieces: Piece[] = [];
  readonly #lines: Lines;
  readonly #options: PackOptions;
  #run: (Piece & { alone: boolean; named: boolean }) | null = null;

  constructor(lines: Lines, options: PackOptions) {
    this.#lines = lines;
    this.#options = options;
  }

  cost(start: number, end: number): number {
    return (this.#lines.before[end + 1] ?? 0) - (this.#lines.before[start] ?? 0);
  }

  finish(): Piece[] {
    this.#flush();
    return this.#pieces;
  }

  /** Takes the lines of one block, or of the file, in: the blocks within, and the lines between. */
  level(blocks: Block[], from: number, to: number, bound: number): void {
    let line = from;
    for (const block of blocks) {
      for (; line < block.start; line++) this.#line(line, bound);
      this.#block(block, bound, from);
      line = block.end + 1;
    }
    for (; line <= to; line++) this.#line(line, bound);
  }

  #line(line: number, bound: number): void {
    const last = this.#run ?? this.#pieces.at(-1);
    const tokens = this.cost(line, line);
    if (last !== undefined && tokens <= MUTE_TOKENS && this.#lines.isMute(line)) {
      last.end = line;
      last.tokens += tokens;
    } else this.#take(line, line, { bound, alone: false, named: false });
  }

  /** @param from where the level begins that the block is in. */
  #block(block: Block, bound: number, from: number): void {
    const { maxTokens, aloneTokens } = this.#options;
    const { start, end, children } = block;
    const tokens = this.cost(start, end);
    const named = isNamed(block);
    if (tokens <= maxTokens || children.length === 0) {
      this.#take(start, end, { bound, alone: named && tokens >= aloneTokens, named });
    } else if (named) {
      // A definition begins and ends chunks of its own.
      this.#flush();
      const first = this.#pieces.length;
      this.level(children, start, end, evenBound(tokens, maxTokens));
      this.#flush();
      if (!holdsNamed(block)) this.#joinSmall(first);
    } else {
      // The head of a definition, which the run then begins with, stays with what follows.
      const run = this.#run;
      if (run !== null && run.start !== from && run.tokens >= bound * FULL) this.#flush();
      this.level(children, start, end, bound);
    }
  }

  #take(start: number, end: number, item: { bound: number; alone: boolean; named: boolean }): void {
    const tokens = this.cost(start, end);
    const run = this.#run;
    if (run !== null && !run.alone && !item.alone) {
      const bound = run.named || item.named ? Math.min(item.bound, this.#options.runTokens) : item.bound;
      if (run.tokens + tokens <= bound) {
        run.end = end;
        run.tokens += tokens;
        run.named ||= item.named;
        return;
      }
    }
    this.#flush();
    this.#run = { start, end, tokens, alone: item.alone, named: item.named };
  }

  /** Pieces of a few words say little by themselves: within a definition they go with a neighbour that has room. */
  #joinSmall(first: number): void {
    const { aloneTokens, maxTokens } = this.#options;
    for (const piece of this.#pieces.splice(first)) {
      const before = this.#pieces.length > first ? this.#pieces.at(-1) : undefined;
      const small = before !== undefined && Math.min(before.tokens, piece.tokens) < aloneTokens;
      if (small && before.tokens + piece.tokens <= maxTokens + OVER_TOKENS) {
        before.end = piece.end;
        before.tokens += piece.tokens;
      } else this.#pieces.push(piece);
    }
  }

  #flush(): void {
    if (this.#run !== null) {
      const { start, end, tokens } = this.#run;
      this.#pieces.push({ start, end, tokens });
    }
    this.#run = null;
  }
}
