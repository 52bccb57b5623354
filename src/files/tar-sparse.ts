/**
 * GNU tar's own form of sparse files (type `S`, GNU tar manual, "Old GNU Format"): headers may go on in further
 * blocks that no size counts, so that who does not know them loses his place in the archive. Such an entry is put as
 * a named pipe without data, with this as the target of a link; all else passes as it is.
 */
export const SPARSE_MARK = "GNU.sparse";

const BLOCK = 512;
const NAME = { start: 0, end: 100 };
const SIZE = { start: 124, end: 136 };
const CHECKSUM = { start: 148, end: 156 };
const TYPE = 156;
const LINK_NAME = { start: 157, end: 257 };
/** Whether a further block of the sparse map follows: in the header, and in each such block. */
const EXTENDED_IN_HEADER = 482;
const EXTENDED_IN_BLOCK = 504;
const FIFO = 0x36;
/** Links, devices, folders and pipes have no data, whatever their size says. */
const BODYLESS = "123456";
/** A pax header is read for the size that it gives the next entry; a longer one is refused by the decoder. */
const MAX_PAX_BYTES = 8 * 1024 * 1024;

export async function* withoutSparse(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new BlockReader(source);
  let paxSize: number | null = null;
  for (;;) {
    const block = await input.take(BLOCK);
    if (block === null) break;
    const type = String.fromCharCode(block[TYPE] ?? 0);
    const size = paxSize ?? numberOf(block);
    if (type === "S") {
      yield asPipe(block);
      for (let more = block[EXTENDED_IN_HEADER] !== 0; more; ) {
        const map = await input.take(BLOCK);
        more = map !== null && map[EXTENDED_IN_BLOCK] !== 0;
      }
      for await (const _ of input.pass(padded(size)));
    } else {
      yield block;
      const body = BODYLESS.includes(type) || block[0] === 0 ? 0 : padded(size);
      if (type === "x" && body <= MAX_PAX_BYTES) {
        const records = await input.take(body);
        if (records === null) break;
        yield records;
        paxSize = sizeRecord(records);
        continue;
      }
      yield* input.pass(body);
    }
    if (type !== "L" && type !== "K") paxSize = null;
  }
  yield* input.rest();
}

/** Reads exact lengths from parts of any length. */
class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #part: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** A copy; null where fewer bytes are left, which `rest` then gives. */
  async take(length: number): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (this.#part.length === 0 && !(await this.#next())) {
        this.#part = bytes.subarray(0, filled);
        return null;
      }
      const some = this.#part.subarray(0, length - filled);
      bytes.set(some, filled);
      filled += some.length;
      this.#part = this.#part.subarray(some.length);
    }
    return bytes;
  }

  /** The next bytes as they come. */
  async *pass(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; ) {
      if (this.#part.length === 0 && !(await this.#next())) return;
      const some = this.#part.subarray(0, left);
      this.#part = this.#part.subarray(some.length);
      left -= some.length;
      yield some;
    }
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    do {
      if (this.#part.length > 0) yield this.#part;
    } while (await this.#next());
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    this.#part = done ? new Uint8Array(0) : value;
    return !done;
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** The size: octal digits, or base 256 where the first bit is set. */
function numberOf(block: Uint8Array): number {
  const field = block.subarray(SIZE.start, SIZE.end);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  }
  const size = Number.parseInt(new TextDecoder("latin1").decode(field).replace(/\0/g, " ").trim(), 8);
  return Number.isSafeInteger(size) ? size : 0;
}

function sizeRecord(records: Uint8Array): number | null {
  const match = /(?:^|\n)\d+ size=(\d{1,15})\n/.exec(new TextDecoder("latin1").decode(records));
  return match === null ? null : Number(match[1]);
}

function asPipe(header: Uint8Array): Uint8Array {
  const pipe = new Uint8Array(BLOCK);
  pipe.set(header.subarray(NAME.start, LINK_NAME.start));
  pipe.set(header.subarray(LINK_NAME.end, 345), LINK_NAME.end);
  pipe[TYPE] = FIFO;
  pipe.set(new TextEncoder().encode(SPARSE_MARK), LINK_NAME.start);
  pipe.set(new TextEncoder().encode("00000000000\0"), SIZE.start);
  pipe.fill(0x20, CHECKSUM.start, CHECKSUM.end);
  const sum = pipe.reduce((total, byte) => total + byte, 0);
  pipe.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), CHECKSUM.start);
  return pipe;
}
