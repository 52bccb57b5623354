import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { DIMENSIONS } from "./model.ts";
import type { Embedded } from "./session.ts";
import { type Slice, SliceQueue, type Work } from "./slice-queue.ts";
import type { WorkerAnswer, WorkerSettings } from "./worker.ts";

interface Request extends Work {
  vectors: Float32Array;
  tokens: number;
  finished: number;
  resolve(embedded: Embedded): void;
  reject(cause: unknown): void;
}

interface Thread {
  worker: Worker;
  slice: Slice<Request> | null;
}

/** Embeds on threads of their own, so that the caller's thread stays free to answer. */
export class EmbeddingPool {
  readonly #queue = new SliceQueue<Request>();
  readonly #threads: Thread[];
  readonly #requests = new Set<Request>();
  #failure: Error | null = null;

  private constructor(workers: readonly Worker[], onFailure: (failure: Error) => void) {
    this.#threads = workers.map((worker) => ({ worker, slice: null }));
    for (const thread of this.#threads) {
      thread.worker.on("message", (answer: Embedded) => this.#finish(thread, answer));
      thread.worker.on("error", (cause) => {
        const failure = new Error("An embedding thread failed", { cause });
        this.#fail(failure);
        onFailure(failure);
      });
    }
  }

  /**
   * @param threads processor cores to use; each holds the model in memory of its own, about 80 MB.
   * @param onFailure told when a thread has failed; the pool then refuses all work.
   */
  static async open(
    settings: WorkerSettings,
    threads: number,
    onFailure: (failure: Error) => void,
  ): Promise<EmbeddingPool> {
    const workers = Array.from(
      { length: threads },
      () => new Worker(join(import.meta.dirname, "worker.ts"), { workerData: settings }),
    );
    await Promise.all(
      workers.map(async (worker) => {
        const [answer] = (await once(worker, "message")) as [WorkerAnswer];
        if (answer !== "ready") throw new Error("An embedding thread did not start");
      }),
    );
    return new EmbeddingPool(workers, onFailure);
  }

  /** @param signal when aborted, what is not yet under way is dropped and the promise rejects. */
  embed(texts: readonly string[], signal?: AbortSignal): Promise<Embedded> {
    const { promise, resolve, reject } = Promise.withResolvers<Embedded>();
    const request: Request = {
      texts,
      taken: 0,
      vectors: new Float32Array(texts.length * DIMENSIONS),
      tokens: 0,
      finished: 0,
      resolve,
      reject,
    };
    if (this.#failure !== null) reject(this.#failure);
    else if (signal?.aborted) reject(signal.reason);
    else if (texts.length === 0) resolve({ vectors: request.vectors, tokens: 0 });
    else {
      signal?.addEventListener("abort", () => this.#abandon(request, signal.reason), { once: true });
      this.#requests.add(request);
      this.#queue.add(request);
      this.#dispatch();
    }
    return promise;
  }

  /** Ends the threads; what is under way is rejected. */
  async close(): Promise<void> {
    this.#fail(new Error("The embedding server is stopping"));
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.slice !== null) continue;
      thread.slice = this.#queue.take();
      if (thread.slice === null) return;
      thread.worker.postMessage(thread.slice.texts);
    }
  }

  #finish(thread: Thread, { vectors, tokens }: Embedded): void {
    const slice = thread.slice;
    thread.slice = null;
    this.#dispatch();
    if (slice === null) return;
    const { work } = slice;
    work.vectors.set(vectors, slice.start * DIMENSIONS);
    work.tokens += tokens;
    work.finished += slice.texts.length;
    if (work.finished < work.texts.length) return;
    this.#requests.delete(work);
    work.resolve({ vectors: work.vectors, tokens: work.tokens });
  }

  #abandon(request: Request, reason: unknown): void {
    this.#queue.drop(request);
    this.#requests.delete(request);
    request.reject(reason);
  }

  #fail(failure: Error): void {
    this.#failure = failure;
    for (const request of this.#requests) this.#abandon(request, failure);
  }
}
