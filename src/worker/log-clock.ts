import type { Clock } from "../kernel/ports.ts";

/**
 * The database's time, as far as this process knows it. Where the database's clock is this machine's, it is that clock.
 * Else it is what the database said last, and the time since: never ahead of the database, so no timer fires early.
 */
export class LogClock {
  readonly #clock: Clock;
  #said: { readonly at: number; readonly monotonic: number } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The database said that it is `at`. Call it when the answer has come in. */
  sync(at: number): void {
    this.#said = { at, monotonic: this.#clock.monotonic() };
  }

  /** Milliseconds since the epoch. */
  now(): number {
    if (this.#said === null) return this.#clock.now();
    return this.#said.at + (this.#clock.monotonic() - this.#said.monotonic);
  }
}
