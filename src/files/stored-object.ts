/** Bytes that are read by range; the offsets are within its size. */
export interface RandomAccess {
  /** Bytes. */
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  stream(offset: number, length: number): Promise<ReadableStream<Uint8Array>>;
}

/** Bytes fetched at once: neighbours then cost no request of their own. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** An R2 object read mostly forwards: one window of it is held. */
export class StoredObject implements RandomAccess {
  readonly size: number;
  readonly #blobs: R2Bucket;
  readonly #key: string;
  #window = new Uint8Array(0);
  #windowAt = 0;

  constructor(blobs: R2Bucket, key: string, size: number) {
    this.#blobs = blobs;
    this.#key = key;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length > WINDOW_BYTES) {
      const object = await this.#get(offset, length);
      return new Uint8Array(await object.arrayBuffer());
    }
    const end = offset + length;
    if (offset < this.#windowAt || end > this.#windowAt + this.#window.length) {
      // Let go first, so that two are never held.
      this.#window = new Uint8Array(0);
      const object = await this.#get(offset, Math.min(WINDOW_BYTES, this.size - offset));
      this.#window = new Uint8Array(await object.arrayBuffer());
      this.#windowAt = offset;
    }
    return this.#window.subarray(offset - this.#windowAt, end - this.#windowAt);
  }

  async stream(offset: number, length: number): Promise<ReadableStream<Uint8Array>> {
    return (await this.#get(offset, length)).body;
  }

  async #get(offset: number, length: number): Promise<R2ObjectBody> {
    const object = await this.#blobs.get(this.#key, { range: { offset, length } });
    if (object === null) throw new Error("a stored object is gone while it is read");
    return object;
  }
}
