import type { Clock } from "../kernel/ports.ts";

/** An answer of the database is not older than that: what is further back was said by a clock that has been set. */
const LATE_MS_MAX = 60_000;

/**
 * The database's time, as far as this process knows it. Where the database's clock is this machine's, it is that clock.
 * Else it is what the database said last, and the time since: never ahead of the database, so no timer fires early. It stands
 * still when an answer that was long on its way says less than was known, so that what is due stays due.
 */
export class LogClock {
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  #said: { readonly at: number; readonly monotonic: number } | null = null;
  #atLeast = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, "now" | "monotonic">) {
    this.#clock = clock;
  }

  /** The database said that it is `at`. Call it when the answer has come in. */
  sync(at: number): void {
    const known = this.#said === null ? Number.NEGATIVE_INFINITY : this.now();
    this.#atLeast = known - at <= LATE_MS_MAX ? known : Number.NEGATIVE_INFINITY;
    this.#said = { at, monotonic: this.#clock.monotonic() };
  }

  /** Milliseconds since the epoch. */
  now(): number {
    if (this.#said === null) return this.#clock.now();
    return Math.max(this.#atLeast, this.#said.at + (this.#clock.monotonic() - this.#said.monotonic));
  }
}
