/** V8's answer to `Runtime.getHeapUsage`, in bytes. */
export interface HeapUsage {
  usedSize: number;
  totalSize: number;
  embedderHeapUsedSize?: number;
  backingStorageSize?: number;
}

/** The isolate of the Worker, by the inspector's protocol (Chrome DevTools Protocol, `Runtime`). */
export class Inspected {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
      this.#waiting.get(id ?? 0)?.(result);
      this.#waiting.delete(id ?? 0);
    });
  }

  static async open(url: string): Promise<Inspected> {
    // wrangler's inspector takes those of its own machine, by what they call themselves.
    const socket = new WebSocket(url, { headers: { origin: "http://localhost" } } as unknown as string[]);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error(`no inspector answers at ${url}`)));
    });
    return new Inspected(socket);
  }

  async heapUsage(): Promise<HeapUsage> {
    return (await this.#ask("Runtime.getHeapUsage")) as HeapUsage;
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string): Promise<unknown> {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}
