/** Work of which one piece is done at a time, in the order in which it came. */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves and rejects as the work does; what comes after it runs either way. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
