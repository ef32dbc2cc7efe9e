/** The engine's end, for those who wait. Not an AbortSignal: thousands may listen, and each stops listening soon. */
export class Shutdown {
  readonly #listeners = new Set<() => void>();
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Calls `fn` when the engine closes; the returned function takes that back. */
  on(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  trigger(): void {
    this.#isOver = true;
    for (const fn of [...this.#listeners]) fn();
  }
}
